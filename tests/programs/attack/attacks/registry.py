"""Every attack by the name that ONLY= takes."""

from collections.abc import Callable, Mapping

from tests.programs.attack.attacks import clients, receivers, records, tokens, users
from tests.programs.attack.enemy import Enemy

Attack = Callable[[Enemy], None]

ATTACKS: Mapping[str, Attack] = {
    "slow-webhooks": receivers.slow_webhooks,
    "tarpit": receivers.tarpit,
    "slow-mail": receivers.slow_mail,
    "slow-issuer": tokens.slow_issuer,
    "slow-clients": clients.slow_clients,
    "large-bodies": clients.large_bodies,
    "reminder-flood": users.reminder_flood,
    "day-hour": users.day_hour,
    "locked-tasks": users.locked_tasks,
    "idempotency-keys": users.idempotency_keys,
    "poison-records": records.poison_records,
    "unsendable-values": records.unsendable_values,
    "hot-key": records.hot_key,
    "full-speed": users.full_speed,
}
EVERYTHING = "everything"  # all of them at once, each at a part of its size
PART = 0.3


def about(name: str) -> str:
    """What an attack does, in a sentence or two."""
    text = ATTACKS[name].__doc__ if name in ATTACKS else "All of these at once, each at a third of its size."
    return " ".join((text or "").split())
