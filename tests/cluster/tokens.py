"""Somebody who signs tokens as `taskmaster keys` and `token --key` do; the public key goes to the functions."""

from taskmaster.cli import keypair


class Issuer:
    """With a key of its own, which nobody else has."""

    def __init__(self) -> None:
        self._private = keypair.new()

    def settings(self) -> dict[str, str]:
        """Those of a function that believes it."""
        keys = keypair.public_keys(self._private)
        return {"OIDC_ISSUER": keypair.ISSUER, "OIDC_AUDIENCE": keypair.AUDIENCE, "OIDC_JWKS": keys}

    def token(self, user: str, *, seconds: float = 3600) -> str:
        return keypair.token(user, self._private, issuer=keypair.ISSUER, audience=keypair.AUDIENCE, seconds=seconds)
