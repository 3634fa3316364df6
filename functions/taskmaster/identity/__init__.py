"""Who is calling: bearer tokens, OpenID Connect, the keys of an issuer. Start at `callers.caller`."""
