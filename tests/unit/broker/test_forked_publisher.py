"""The publisher in a child process sees what was committed before each wake, however many wakes share one byte."""

import subprocess
import sys

from knative.local.processes import base_environment
from tests.support.function_pack import FUNCTIONS

# A program of its own, since it forks: a fork of a process with threads, as a test's is, may never be able to run.
PROGRAM = """
import mmap, os, struct, sys, threading, time
from taskmaster.broker.publisher import ForkedPublisher

shared = mmap.mmap(-1, 16)  # a number that is committed, and the number that the child has seen when it was last woken

def number(at): return struct.unpack_from("q", shared, at)[0]
def say(at, value): struct.pack_into("q", shared, at, value)

class Child:
    def wake(self): say(8, number(0))
    def drain(self, timeout): self.wake()

sent = []
write = os.write
publisher = ForkedPublisher(Child, instead=Child)
os.write = lambda descriptor, data: (sent.append(data), write(descriptor, data))

def seen(value):
    deadline = time.monotonic() + 30
    while number(8) < value:
        assert time.monotonic() < deadline, f"the child has seen {number(8)}, not {value}"
        time.sleep(0.0002)

MODE
"""
ONE_BY_ONE = """
for value in range(1, 201):
    say(0, value)
    publisher.wake()
    seen(value)
publisher.drain(30)
"""
AT_ONCE = """
committing = threading.Lock()

def commit():
    for _ in range(5_000):
        with committing:
            say(0, number(0) + 1)
        publisher.wake()

threads = [threading.Thread(target=commit) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
seen(20_000)
publisher.drain(30)
assert len(sent) < 10_000, f"{len(sent)} bytes for 20,000 wakes"
"""
DEAD = """
import signal
class Successor:
    woken = threading.Event()
    def wake(self): self.woken.set()
    def drain(self, timeout): pass
publisher._instead = Successor
os.kill(publisher._pid, signal.SIGSTOP)
publisher.wake()
publisher.wake()
os.kill(publisher._pid, signal.SIGKILL)
assert Successor.woken.wait(30)
Successor.woken.clear()
publisher.wake()
assert Successor.woken.is_set()
publisher.drain(30)
"""


def run(mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("MODE", mode)],
        cwd=FUNCTIONS,
        env=base_environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_wake_shows_the_child_what_was_committed_before_it() -> None:
    run(ONE_BY_ONE)


def test_a_burst_of_wakes_shares_bytes_and_loses_none() -> None:
    run(AT_ONCE)


def test_a_child_that_died_with_a_wake_unread_has_a_successor_that_is_woken() -> None:
    run(DEAD)
