"""Processes of their own for everything that must not share an interpreter with what it measures or attacks."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

context = multiprocessing.get_context("spawn")


def started(work: Callable[..., None], *arguments: Any, name: str) -> BaseProcess:
    """A process that does this work, and ends with the program that started it, however that ends."""
    process = context.Process(target=_work, args=(work, *arguments), name=name, daemon=True)
    process.start()
    return process


def _work(work: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    work(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def stopped(process: BaseProcess, *, grace: float = 10) -> None:
    """End a process of `started`, by its id: it has been told to leave, and has so many seconds for it."""
    process.join(grace)
    if process.is_alive():
        process.terminate()
        process.join(5)
    if process.is_alive():
        process.kill()
        process.join()
