"""A worker of Procrastinate whose job keeps how late it ran: printed as JSON, after `URL SECONDS JOBS`.

It ends after so many jobs, or so many seconds.
"""

import asyncio
import contextlib
import json
import sys
import time

import procrastinate


async def main(url: str, seconds: float, jobs: int) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    late: list[float] = []
    done = asyncio.Event()

    async def ring(moment: float) -> None:
        late.append(time.time() - moment)
        if len(late) == jobs:
            done.set()

    app.task(name="ring")(ring)  # no decorator: where Procrastinate is not installed, mypy would find ring untyped
    async with app.open_async():
        worker = asyncio.create_task(app.run_worker_async(concurrency=30, install_signal_handlers=False))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), seconds)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    print(json.dumps(sorted(late)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
