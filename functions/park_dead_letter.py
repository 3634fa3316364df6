"""park-dead-letter: an event that its function refused, or could not handle, is kept with the reason.

The dead letter sink of every KafkaSource. It needs no database, and answers once the broker has the dead letter. One
that is too large for the broker, with its reason, is kept without its data, which is still on the topic it came from.
"""

from taskmaster.broker.transport import TooLarge
from taskmaster.events.outgoing import Outgoing, without_data
from taskmaster.events.routes import DEAD_LETTERS
from taskmaster.runtime import Runtime
from taskmaster.web.door import dead_letter_sink


@dead_letter_sink
def park_dead_letter(dead_letter: Outgoing, runtime: Runtime) -> None:
    topic = runtime.settings.topic(DEAD_LETTERS)
    try:
        runtime.broker.produce(dead_letter, to=topic)
    except TooLarge:
        runtime.broker.produce(without_data(dead_letter), to=topic)
