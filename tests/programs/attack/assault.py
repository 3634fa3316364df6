"""The process of the attackers: the attacks of one round, side by side, until they are told that it is over."""

import logging
import os
import threading
import time
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

from tests.programs.attack.attacks.registry import ATTACKS
from tests.programs.attack.enemy import Enemy, Target

_NICE = 10  # where processor time is short, the system under attack has it


def assault(
    targets: dict[str, Target], seed: int, scale: float, answers: Connection, begun: Event, over: Event
) -> None:
    """Run these attacks, each as the user of its target; send what they counted, and why one failed that did."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    os.nice(_NICE)
    enemies = {name: Enemy(target, seed=seed, scale=scale, over=over) for name, target in targets.items()}
    failures: list[str] = []

    def attack(name: str) -> None:
        try:
            ATTACKS[name](enemies[name])
        except Exception:
            failures.append(traceback.format_exc())
        finally:
            enemies[name].begin()

    threads = [threading.Thread(target=attack, args=(name,), name=name, daemon=True) for name in enemies]
    for thread in threads:
        thread.start()
    for enemy in enemies.values():
        enemy.begun.wait()
    begun.set()
    for thread in threads:
        thread.join()
    counts: Counter[str] = Counter()
    for enemy in enemies.values():
        counts += enemy.counts
        enemy.close()
    counts["ms of the processor"] = round(time.process_time() * 1000)
    answers.send((dict(counts), failures))
