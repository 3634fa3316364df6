"""`make film`: docs/demo.webm, the page and the pack at work; each of its sentences was checked before it is shown.

Exit code 1, with a sentence, if one of them is not true.
"""

import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import time

from knative.demo.story import NotTrue
from knative.local.up import Platform
from tests.browser.conftest import ROOT, VIEWER, NoBrowser, launched
from tests.programs.film.director import Director
from tests.programs.film.footage import Footage
from tests.programs.film.projector import encoder, project
from tests.programs.film.story import tell

FILM = ROOT / "docs" / "demo.webm"


def main() -> None:
    logging.disable(logging.CRITICAL)
    try:
        encoder()
        with (
            launched() as browser,
            _folder() as folder,
            Platform(ROOT, state=folder / "state", environ={}, watch=False, viewer=VIEWER) as platform,
        ):
            if not platform.wait_until_consuming(60):
                raise NotTrue("the KafkaSources have no partitions")
            footage = Footage(folder)
            with ExitStack() as stack:
                tell(Director(platform, footage, browser.new_page()), browser, stack)
                end = time()
            seconds = project(footage, end, browser, FILM)
    except (NotTrue, NoBrowser) as error:
        sys.exit(f"make film: {error}")
    print(f"wrote {FILM.relative_to(ROOT)}: {seconds:.0f} s, {FILM.stat().st_size / 1e6:.1f} MB")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskmaster-film-") as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as another user and must get there
        yield Path(folder)


if __name__ == "__main__":
    main()
