"""What the film is made from, by moment: pictures of each page as it changes, sentences, the number of pods."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Track = list[tuple[float, str]]  # what there is from a moment on; moments in seconds since 1970


@dataclass
class Footage:
    """`screens` has files, by the name of the page. `rates` says how many times faster the film runs."""

    folder: Path
    screens: dict[str, Track] = field(default_factory=dict)
    said: Track = field(default_factory=list)
    card: Track = field(default_factory=list)
    pods: Track = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)
    _sessions: dict[str, Any] = field(default_factory=dict)

    def record(self, name: str, page: Any) -> None:
        """Keep a picture of each change of a page from now on (Chrome DevTools Protocol, Page.startScreencast)."""
        track = self.screens.setdefault(name, [])
        session = self._sessions[name] = page.context.new_cdp_session(page)

        def keep(shot: Mapping[str, Any]) -> None:
            file = self.folder / f"{name}-{len(track):05}.jpg"
            file.write_bytes(b64decode(shot["data"]))
            track.append((shot["metadata"]["timestamp"], file.as_uri()))
            session.send("Page.screencastFrameAck", {"sessionId": shot["sessionId"]})

        session.on("Page.screencastFrame", keep)
        session.send("Page.startScreencast", {"format": "jpeg", "quality": 95})

    def end(self, name: str, moment: float) -> None:
        """The page is out of the picture."""
        self._sessions.pop(name).send("Page.stopScreencast")
        self.screens[name].append((moment, ""))

    def film_time(self, moment: float) -> float:
        """At which second of the film a moment is."""
        at, [(last, rate), *changes] = 0.0, self.rates
        for begin, faster in [*changes, (moment, 0.0)]:
            if begin >= moment:
                return at + max(moment - last, 0) / rate
            at += (begin - last) / rate
            last, rate = begin, faster
        return at

    def rate_at(self, moment: float) -> float:
        return [rate for begin, rate in self.rates if begin <= moment][-1]


def at(track: Track, moment: float) -> str:
    """What a track has at a moment; "" before its first."""
    return next((what for begin, what in reversed(track) if begin <= moment), "")
