"""When the threads of a process keep to one processor, and when the kernel chooses again."""

import os
import threading

import pytest

from taskmaster import one_processor
from taskmaster.one_processor import OneProcessor
from tests.support.monotonic_clock import MonotonicClock, clock_of

ALL = {0, 1, 2}


class Kernel:
    """What a process asks of the kernel here: `told` are the processors that its threads were to keep to, each time."""

    def __init__(self) -> None:
        self.told: list[set[int]] = []
        self.here = 1
        self.error: OSError | None = None

    def keep(self, processors: set[int]) -> None:
        if self.error:
            raise self.error
        self.told.append(processors)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(one_processor, "_keep_all_threads_to", kernel.keep)
    monkeypatch.setattr(one_processor, "_processor_of_this_thread", lambda: kernel.here)
    return kernel


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MonotonicClock:
    return clock_of(one_processor, monkeypatch)


def answer(processor: OneProcessor, clock: MonotonicClock, *, answers: int, a_second: float) -> None:
    for _ in range(answers):
        clock.on(1 / a_second)
        processor.look()


def test_a_busy_function_keeps_to_the_processor_that_it_is_on(kernel: Kernel, clock: MonotonicClock) -> None:
    answer(OneProcessor(ALL), clock, answers=64, a_second=800)
    assert kernel.told == [{1}]


def test_a_function_with_little_to_do_leaves_it_to_the_kernel(kernel: Kernel, clock: MonotonicClock) -> None:
    answer(OneProcessor(ALL), clock, answers=500, a_second=50)
    assert kernel.told == []


def test_the_kernel_chooses_again_after_a_while(kernel: Kernel, clock: MonotonicClock) -> None:
    processor = OneProcessor(ALL)
    answer(processor, clock, answers=64, a_second=800)
    kernel.here = 2
    answer(processor, clock, answers=900, a_second=800)
    assert kernel.told == [{1}, ALL, {2}]


def test_a_function_that_was_busy_is_let_go(kernel: Kernel, clock: MonotonicClock) -> None:
    processor = OneProcessor(ALL)
    answer(processor, clock, answers=64, a_second=800)
    answer(processor, clock, answers=64, a_second=10)
    assert kernel.told == [{1}, ALL]


def test_where_there_is_one_processor_nothing_is_chosen(kernel: Kernel, clock: MonotonicClock) -> None:
    answer(OneProcessor({1}), clock, answers=64, a_second=800)
    answer(OneProcessor(set()), clock, answers=64, a_second=800)
    assert kernel.told == []


def test_a_sandbox_that_refuses_is_not_asked_again(kernel: Kernel, clock: MonotonicClock) -> None:
    processor = OneProcessor(ALL)
    kernel.error = PermissionError("not here")
    answer(processor, clock, answers=64, a_second=800)
    kernel.error = None
    answer(processor, clock, answers=64, a_second=800)
    assert kernel.told == []


@pytest.mark.skipif(len(OneProcessor.of_this_process().allowed) < 2, reason="this machine lets nobody choose")
def test_every_thread_of_the_process_keeps_to_it_and_is_let_go() -> None:
    allowed, ended = os.sched_getaffinity(0), threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    try:
        for processors in ({one_processor._processor_of_this_thread()}, allowed):
            one_processor._keep_all_threads_to(processors)
            assert os.sched_getaffinity(0) == os.sched_getaffinity(other.native_id or 0) == processors
    finally:
        one_processor._keep_all_threads_to(allowed)
        ended.set()
        other.join()
