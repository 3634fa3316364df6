"""An HTTP answer whose head is bounded: http.client itself reads 100 Continue without end."""

import http.client
from typing import Any, cast

from taskmaster.outbound.deadline import Bounded

LARGEST_HEAD = 65_536  # bytes of status lines and headers, those of 1xx included


class Answer(http.client.HTTPResponse):
    """Whatever is interim is passed over (RFC 9110, 15.2), not 100 alone. Raises TooMuch for a longer head."""

    def begin(self) -> None:
        whole = self.fp
        self.fp = cast(Any, Bounded(whole, LARGEST_HEAD))
        try:
            super().begin()
            while 100 <= self.status < 200 and self.status != http.client.SWITCHING_PROTOCOLS:
                self.headers = self.msg = cast(Any, None)
                super().begin()
        finally:
            if self.fp is not None:
                self.fp = whole
