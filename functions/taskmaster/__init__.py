"""What the operations share: rules, events, the doors, the unit of work, PostgreSQL, Kafka and reminders."""

import zoneinfo
from importlib.util import find_spec

# The rules of the time zones are those of the package tzdata, which the lock file pins: otherwise Python would prefer
# whatever the machine has, and 09:00 in Vancouver could be another moment on the laptop than on the cluster.
if (_tzdata := find_spec("tzdata")) and _tzdata.submodule_search_locations:
    zoneinfo.reset_tzpath(to=[f"{_tzdata.submodule_search_locations[0]}/zoneinfo"])
