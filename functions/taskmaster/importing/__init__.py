"""Tasks out of the files of other programs, and into the pack by its client. Start at `files.read`."""
