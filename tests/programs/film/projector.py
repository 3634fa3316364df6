"""From footage to a film: every moment at which something changes is shown on a stage, and encoded as VP9 in WebM."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from knative.demo.story import NotTrue
from tests.programs.film.footage import Footage, at

STAGE = Path(__file__).with_name("stage.html")
SIZE = {"width": 1600, "height": 900}
LONGEST = 90.0  # seconds
_RATE = 12  # pictures a second, at most
_ENCODED = ["-c:v", "libvpx-vp9", "-crf", "36", "-b:v", "0", "-cpu-used", "2", "-row-mt", "1", "-g", "240"]


def project(footage: Footage, end: float, browser: Any, film: Path) -> float:
    """Write the film until a moment; how many seconds it has. Raises NotTrue if it is longer than it may be."""
    seconds = footage.film_time(end)
    if seconds > LONGEST:
        raise NotTrue(f"the film has {seconds:.0f} s, and may have {LONGEST:.0f}")
    tracks = [*footage.screens.values(), footage.said, footage.card, footage.pods]
    moments = sorted({moment for track in tracks for moment, _ in track if moment < end})
    # The last moment of each picture, since a picture has all that changed until it is shown.
    pictures = {int(footage.film_time(moment) * _RATE): moment for moment in moments if moment >= footage.rates[0][0]}
    context = browser.new_context(viewport=SIZE)
    stage = context.new_page()
    stage.goto(STAGE.as_uri())
    lines, numbers = [], sorted(pictures)
    for number, then in zip(numbers, [*numbers[1:], int(seconds * _RATE)], strict=True):
        file = footage.folder / f"picture-{number:05}.jpg"
        stage.evaluate("(moment) => show(moment)", _shown(footage, pictures[number]))
        stage.screenshot(path=str(file), type="jpeg", quality=95)
        lines += [f"file '{file}'", f"duration {(then - number) / _RATE}"]
    context.close()
    (footage.folder / "pictures.txt").write_text("\n".join([*lines, lines[-2]]) + "\n")
    _encode(footage.folder / "pictures.txt", film)
    return seconds


def _shown(footage: Footage, moment: float) -> dict[str, str]:
    rate = footage.rate_at(moment)
    return {
        "said": at(footage.said, moment),
        "card": at(footage.card, moment),
        "rate": f"{rate:.0f} times as fast" if rate > 1 else "",
        "pods": at(footage.pods, moment),
        **{name: at(track, moment) for name, track in footage.screens.items()},
    }


def encoder() -> str:
    """Raises NotTrue where there is none."""
    found = shutil.which("ffmpeg")
    if found is None:
        raise NotTrue("no film without ffmpeg: install it from your distribution (Debian: apt-get install ffmpeg)")
    return found


def _encode(pictures: Path, film: Path) -> None:
    source = ["-f", "concat", "-safe", "0", "-i", str(pictures)]
    wanted = ["-fps_mode", "vfr", "-pix_fmt", "yuv420p", *_ENCODED]
    subprocess.run([encoder(), "-y", "-loglevel", "error", *source, *wanted, str(film)], check=True)
