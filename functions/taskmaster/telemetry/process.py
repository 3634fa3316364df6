"""When this process was started, by what the kernel says."""

import os
import time

_CLOCK = 22  # the field of /proc/PID/stat that has the start, in ticks since the machine booted (proc(5))


def started_at() -> int:
    """In nanoseconds of Unix time, exact to a hundredth of a second; 0 where the kernel does not say (macOS)."""
    try:
        with open("/proc/self/stat", encoding="latin-1") as file:
            # From the third field on, behind the name in brackets, which may hold anything.
            fields = file.read().rpartition(")")[2].split()
        ticks = int(fields[_CLOCK - 3])
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0
    return time.time_ns() - int(since_boot * 1e9)
