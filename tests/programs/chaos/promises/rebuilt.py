"""Rebuilt: the tasks that are made anew from the facts on their topic are byte by byte those of the table."""

from itertools import zip_longest

from tests.programs.chaos.facts import History
from tests.programs.chaos.promises.verdict import Verdict


def check(history: History, verdict: Verdict) -> None:
    rebuilt, table = (text.splitlines() for text in (history.rebuilt, history.table))
    verdict.count("tasks made anew from their events", len(rebuilt))
    for ours, theirs in zip_longest(rebuilt, table):
        if ours != theirs:
            task = (theirs or ours or b"").split(b"\t")[0].decode()
            verdict.broken("rebuilt", f"task {task}", f"the events make {ours!r} of it, the table has {theirs!r}")
            return  # what follows may only be moved by a line
