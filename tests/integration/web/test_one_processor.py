"""The process of a busy function, as a pod runs it, keeps to one processor; its publisher does not."""

import os

import pytest

from tests.support.function_process import FunctionProcess, eventually
from tests.support.raw_http import RawClient

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="nobody may choose a processor"
)
NOBODY = b"GET /tasks HTTP/1.1\r\nHost: here\r\n\r\n"  # 401: an answer that asks no database


def allowed(process: int) -> list[set[int]]:
    """The processors that each thread of a process may use."""
    return [os.sched_getaffinity(int(thread)) for thread in os.listdir(f"/proc/{process}/task")]


def test_a_busy_function_keeps_to_one_processor(environment: dict[str, str]) -> None:
    everywhere = os.sched_getaffinity(0)
    with FunctionProcess("query-tasks", environment) as function, RawClient(function.port) as client:
        assert all(each == everywhere for each in allowed(function.pid))

        def keeps_to_one_once_it_was_asked_much() -> bool:
            client.send(NOBODY * 100)
            assert {client.answer().status for _ in range(100)} == {401}
            return all(len(each) == 1 for each in allowed(function.pid))

        eventually(keeps_to_one_once_it_was_asked_much, "one processor for all threads")
        assert all(each == everywhere for each in allowed(function.publisher_pid))
