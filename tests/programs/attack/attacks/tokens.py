"""Tokens that name keys which nobody has, while the issuer that is asked for them drips."""

import time
from functools import partial
from uuid import uuid4

import jwt

from tests.programs.attack.enemy import Enemy
from tests.support.issuer import AUDIENCE, private_key

_CLIENTS = 6  # of each function


def slow_issuer(enemy: Enemy) -> None:
    """Six clients at each of two functions, with a new key id each time, and tokens that are no tokens."""
    key = private_key("ES256", "mallory")

    def token() -> str:
        claims = {"iss": enemy.target.issuer, "aud": AUDIENCE, "sub": enemy.target.user, "exp": int(time.time()) + 60}
        made_up = jwt.encode(claims, key, algorithm="ES256", headers={"kid": str(uuid4())})
        return enemy.chance.choice([made_up, made_up, made_up, "no-token", "a.b.c", "x" * 20_000])

    def read() -> None:
        enemy.call("GET", "/tasks?limit=1", token=token())

    def create() -> None:
        enemy.call("POST", "/tasks", {"title": "mine"}, token=token())

    clients = enemy.scaled(_CLIENTS)
    enemy.target.switches.issuer_drips.set()
    enemy.begin()
    try:
        enemy.at_once(
            partial(enemy.keep, read, clients=clients, pause=0.05),
            partial(enemy.keep, create, clients=clients, pause=0.05),
        )
    finally:
        enemy.target.switches.issuer_drips.clear()
