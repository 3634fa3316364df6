"""A session's library is imported late, by whichever threads need it first: none of them finds half of it."""

import subprocess
import sys

FIRST_CALLS = """
import threading
from taskmaster.outbound import http_session
from taskmaster.outbound.deadline import Deadline
from taskmaster.reminding import webhook

barrier, failures = threading.Barrier(12), []

def call(number):
    barrier.wait()
    try:
        if number % 3 == 0:
            http_session.trusting()
        elif number % 3 == 1:
            http_session.session(Deadline(5))
        else:
            webhook.post("https://127.0.0.1:1/", "", "id", {}, deadline=Deadline(5), allowed=())
    except BaseException as error:
        failures.append(repr(error))

threads = [threading.Thread(target=call, args=(number,)) for number in range(12)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(failures)
"""


def test_many_threads_at_once_may_make_the_first_calls_of_a_process() -> None:
    for _ in range(3):
        ran = subprocess.run([sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == "[]", ran.stdout
