"""The command line `taskmaster`: one file a group of commands. Start at `__main__.main`."""

import gc
import os

# Before anything else is imported: a command is a process of its own, and half of a short one is its imports.
gc.set_threshold(100_000)  # imports make no garbage, and looking for some takes a fifth of their time
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for plugins reads the metadata of every package
