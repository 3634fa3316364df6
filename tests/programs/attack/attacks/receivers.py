"""Reminders to receivers that hold whoever calls them, and mail by a server that drips."""

from tests.programs.attack.enemy import Enemy, webhook
from tests.programs.attack.hostile.receivers import Receivers


def slow_webhooks(enemy: Enemy) -> None:
    """Five channels, each held in another way; 200 reminders of one second, again every six."""
    kinds = ("dripping-headers", "endless-continue", "dripping-status", "dripping-handshake", "silent")
    with Receivers(enemy.target.certificate, *kinds) as receivers:
        enemy.prefer(*(webhook(url) for url in receivers.urls.values()))
        while not enemy.over.is_set():
            enemy.remind(20, 10)
            enemy.begin()
            enemy.wait(6)
        enemy.held(receivers.taken)


def tarpit(enemy: Enemy) -> None:
    """3,000 reminders of one second to a receiver that takes the connection and says nothing."""
    with Receivers(enemy.target.certificate, "no-handshake") as receivers:
        enemy.prefer(webhook(receivers.urls["no-handshake"]))
        while not enemy.over.is_set():
            enemy.remind(60, 50)
            enemy.begin()
            enemy.wait(60)
        enemy.held(receivers.taken)


def slow_mail(enemy: Enemy) -> None:
    """200 mails of one second, again every six, while the mail server drips in another place each time."""
    enemy.prefer({"type": "mail", "address": "mallory@example.com"})
    enemy.target.switches.mail_drips.set()
    try:
        while not enemy.over.is_set():
            enemy.remind(20, 10)
            enemy.begin()
            enemy.wait(6)
    finally:
        enemy.target.switches.mail_drips.clear()
