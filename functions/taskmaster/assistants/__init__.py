"""The door for assistants: the operations as tools, by the Model Context Protocol. Start at `door.tool_server`."""
