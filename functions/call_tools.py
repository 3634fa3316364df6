"""call-tools: what people can ask for, as tools for their assistants, by the Model Context Protocol."""

from complete_task import complete_task
from create_task import create_task
from delete_task import delete_task
from query_tasks import query_tasks
from reopen_task import reopen_task
from schedule_next_recurrence import schedule_next_recurrence
from set_preferences import set_preferences
from snooze_reminder import snooze_reminder
from taskmaster.assistants.door import tool_server
from update_task import update_task

call_tools = tool_server(
    "call_tools",
    create_task,
    query_tasks,
    update_task,
    complete_task,
    reopen_task,
    delete_task,
    schedule_next_recurrence,
    snooze_reminder,
    set_preferences,
    http=["POST /mcp", "GET /mcp", "GET /.well-known/oauth-protected-resource/mcp"],
)
