"""Everything that runs: the platform, what stands around it, and the bystander. Each in a process of its own."""

import contextlib
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from knative.local.logs import LogStream
from knative.local.processes import free_port
from knative.local.up import Platform
from tests.programs.attack.bystander import Place, live
from tests.programs.attack.children import context, started, stopped
from tests.programs.attack.enemy import Target
from tests.programs.attack.figures import Window
from tests.programs.attack.project import with_environment
from tests.programs.attack.surroundings import Ports, Switches, surround
from tests.programs.attack.trust import Trust
from tests.support.issuer import Issuer

_ROOT = Path(__file__).parents[3]
_START_SECONDS = 120.0
_TOKEN_SECONDS = 24 * 3600.0
BYSTANDER = "ada"


class Failed(Exception):
    """Something that was to run does not; the text says what."""


class Stage:
    """Runs while the context of `running` is entered; `home` is where its files are."""

    def __init__(self, home: Path, log: Path) -> None:
        self._home = home
        self._log = log
        self._questions: Connection
        self.trust = Trust.made(home)
        self.ports = Ports(gateway=free_port(), https=free_port(), issuer=free_port(), mail=free_port())
        self.issuer = Issuer(url=self.ports.issuer_url)
        self.issuer.publish("one", algorithm="ES256")
        self.switches = Switches(
            issuer_drips=context.Event(), mail_drips=context.Event(), ready=context.Event(), over=context.Event()
        )
        self.platform: Platform

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Everything is up, and the bystander at her work. Raises Failed."""
        project = with_environment(_ROOT, self._environment(), self._home / "project")
        with contextlib.ExitStack() as stack:
            around = started(
                surround, self.ports, self.trust.server, self.issuer.keys, self.switches, name="surroundings"
            )
            stack.callback(stopped, around)
            stack.callback(self.switches.over.set)
            log = stack.enter_context(self._log.open("w", encoding="utf-8"))
            self.platform = stack.enter_context(
                Platform(
                    project,
                    port=self.ports.gateway,
                    state=self._home / "state",
                    environ={},
                    watch=False,
                    logs=LogStream(log),
                )
            )
            if not self.platform.wait_until_consuming(60):
                raise Failed("a KafkaSource has no partitions after a minute")
            if not self.switches.ready.wait(10):
                raise Failed("the https proxy does not listen")
            stack.enter_context(self._bystander())
            yield

    def token(self, user: str) -> str:
        """What signs a user in; one of the issuer that the functions are told to believe."""
        return self.issuer.token(user, algorithm="ES256", seconds=_TOKEN_SECONDS)

    def target(self, user: str) -> Target:
        """What an attacker knows, who is this user."""
        return Target(
            url=f"https://127.0.0.1:{self.ports.https}",
            status=f"http://localhost:{self.ports.gateway}/-/status",
            bundle=self.trust.bundle,
            certificate=self.trust.server,
            bootstrap_servers=self.platform.bootstrap_servers,
            user=user,
            token=self.token(user),
            issuer=self.issuer.url,
            switches=self.switches,
        )

    def window(self, begin: float, end: float) -> Window:
        """What the bystander saw between two moments, so far."""
        self._questions.send((begin, end))
        if not self._questions.poll(60):
            raise Failed("the bystander says nothing")
        found: Window = self._questions.recv()
        return found

    @contextlib.contextmanager
    def _bystander(self) -> Iterator[None]:
        place = Place(
            url=f"https://127.0.0.1:{self.ports.https}",
            token=self.token(BYSTANDER),
            bundle=self.trust.bundle,
            certificate=self.trust.server,
        )
        self._questions, theirs = context.Pipe()
        over: Event = context.Event()
        process = started(live, place, theirs, over, name="bystander")
        theirs.close()
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not self._questions.poll(0.5):
                if not process.is_alive() or time.monotonic() > deadline:
                    raise Failed("the bystander did not come so far as to begin")
            self._questions.recv()
            yield
        except EOFError:
            raise Failed("the bystander has ended") from None
        finally:
            over.set()
            stopped(process)

    def _environment(self) -> dict[str, str]:
        """Of every function: the authority, the issuer, the mail server."""
        return {
            **self.trust.environment,
            **self.issuer.settings,
            "OIDC_JWKS": "",
            "SMTP_URL": f"smtp://127.0.0.1:{self.ports.mail}",
            "MAIL_FROM": "reminders@example.com",
        }
