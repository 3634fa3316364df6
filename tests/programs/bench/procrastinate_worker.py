"""A worker of Procrastinate whose job keeps how late it ran: printed as JSON, after `URL SECONDS`."""

import asyncio
import json
import sys
import time

import procrastinate


async def main(url: str, seconds: float) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url))
    late: list[float] = []

    @app.task(name="ring")
    async def ring(moment: float) -> None:
        late.append(time.time() - moment)

    async with app.open_async():
        worker = asyncio.create_task(app.run_worker_async(concurrency=30, install_signal_handlers=False))
        await asyncio.sleep(seconds)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    print(json.dumps(sorted(late)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
