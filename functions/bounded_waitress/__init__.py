"""waitress with bounds: how large a request may be, how many connections there are, and how long anybody is waited for.

waitress itself limits a body to 1 GiB, writes what is larger than 512 KiB to a temporary file, waits for ever for a
client that sends a byte now and then, and takes no new connection once 100 are open. Here a body is refused by what its
header announces or by what has come, nothing is written to disk, and an idle connection makes way for a new one.

    server = create(application, Limits(body=262_144), host="127.0.0.1", port=8080)
    server.run()
"""

from bounded_waitress.limits import Limits
from bounded_waitress.server import Application, create

__all__ = ["Application", "Limits", "create"]
