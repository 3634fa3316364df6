"""W3C Trace Context: which trace a request belongs to, and which span of it caused it.

It travels whether or not spans are recorded: in HTTP headers, and in the attributes that CloudEvents' extension for
distributed tracing names alike.
"""

import re
from typing import NamedTuple, Self

# Version 00, or a later one in the same form. FF is no version; ids of zeros are none (Trace Context, 3.2.2).
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")  # 3.3.2: neither , nor = in it
_MOST_MEMBERS = 32
_MOST_CHARACTERS = 512  # that everybody passes on (3.3.1.5)


class TraceContext(NamedTuple):
    """A span of a trace, as what follows from it is told. `tracestate` is '' where there is none."""

    traceparent: str
    tracestate: str = ""

    @classmethod
    def read(cls, traceparent: str | None, tracestate: str | None = None) -> Self | None:
        """None where `traceparent` is none. A `tracestate` that is none, or too long, is left out (4.3)."""
        if not traceparent or not _TRACEPARENT.fullmatch(traceparent):
            return None
        return cls(traceparent, _state(tracestate or ""))

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    @property
    def span_id(self) -> str:
        return self.traceparent[36:52]

    @property
    def is_sampled(self) -> bool:
        """Whether the caller may have recorded it (3.2.2.5.1)."""
        return bool(int(self.traceparent[53:55], 16) & 1)

    def headers(self, prefix: str = "") -> dict[str, str]:
        """The two fields of a message, each name behind a prefix."""
        fields = {f"{prefix}traceparent": self.traceparent}
        return {**fields, f"{prefix}tracestate": self.tracestate} if self.tracestate else fields


def _state(text: str) -> str:
    """A tracestate in its shortest form; '' for one that is not valid."""
    members = [member.strip(" \t") for member in text.split(",") if member.strip(" \t")]
    state = ",".join(members)
    names = [member.partition("=")[0] for member in members]
    is_valid = all(map(_MEMBER.fullmatch, members)) and len(set(names)) == len(names) <= _MOST_MEMBERS
    return state if is_valid and len(state) <= _MOST_CHARACTERS else ""
