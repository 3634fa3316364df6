"""The command line `taskmaster`: one file a group of commands. Start at `__main__.main`."""
