"""The command line of the stand-in: `python -m knative.local up`, and `status` and `travel` for one that runs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import requests

from knative.local import taskmaster_setup
from knative.local.dapr.side import BROKERS
from knative.local.embedded import EmbeddedError
from knative.local.fields import ManifestError
from knative.local.identity_provider import IdentityProvider, WrongKeyError
from knative.local.jobs import JobFailedError
from knative.local.logs import LogStream, StreamHandler
from knative.local.up import ENVIRONMENT, IDENTITY_KEY, Platform
from knative.local.web import LOOPBACK, PortInUseError

_PORT = 8080
_port_option = click.option("--port", default=_PORT, show_default=True, help="Of the REST address on localhost.")
_root_option = click.option(
    "--root",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project: the folder with functions/, knative/ and eventing/.",
)

_state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where database, passwords, keys and clock lie: .local in the project, unless two are to run side by side.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Knative on this machine: functions at zero pods until a request or a record wakes them."""


@main.command()
@_port_option
@_root_option
@_state_option
@click.option("--json", "as_json", is_flag=True, help="Write the logs as JSON lines.")
@click.option(
    "--user",
    default="ada",
    show_default=True,
    help="Whom the link of the page signs in, and who sees the pack at work there.",
)
@click.option("--host", default=LOOPBACK, show_default=True, help="The address to listen on: 0.0.0.0 in a container.")
@click.option(
    "--broker",
    default=BROKERS[0],
    show_default=True,
    type=click.Choice(BROKERS),
    help="What carries the events: Kafka by KafkaSources, or Dapr, by Kafka or by Redis.",
)
def up(*, port: int, root: Path, state: Path | None, as_json: bool, user: str, host: str, broker: str) -> None:
    """Start everything and serve until Ctrl-C."""
    stream = LogStream(sys.stdout, as_json=as_json)
    logging.basicConfig(level=logging.INFO, handlers=[StreamHandler(stream)])
    for noisy in ("kafka", "urllib3", "waitress", "watchfiles"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    # A second Ctrl-C ends the drain too; the watcher of the processes then ends what is left of them.
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job is started with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    platform = Platform(root, port=port, host=host, state=state, logs=stream, broker=broker, viewer=user)
    try:
        with platform:
            stream.line("knative", f"REST at {platform.url}, each function at http://NAME.localhost:{port or '...'}")
            _show_link(platform, user, stream)
            events = f"Kafka at {platform.bootstrap_servers}" if platform.bootstrap_servers else "Events are on Redis"
            if platform.daprd[0]:
                events += f", carried by Dapr: daprd at {platform.daprd[0]}"
            stream.line("knative", f"{events}; Ctrl-C drains and ends everything")
            threading.Event().wait()
    except KeyboardInterrupt:
        stream.line("knative", "stopped: nothing is left running")
    except (EmbeddedError, JobFailedError, ManifestError, PortInUseError, WrongKeyError) as error:
        raise click.ClickException(str(error)) from None


def _show_link(platform: Platform, user: str, stream: LogStream) -> None:
    """The link of the page, on a terminal alone: what is written into a file stays there, and the link signs in."""
    if sys.stdout.isatty():
        click.echo(f"\n  Open {platform.link(user)}\n  It signs you in as {user}, and is a secret for twelve hours.\n")
    else:
        stream.line("knative", f"The page is at {platform.url}; `make link USER={user}` prints a link that signs in")


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_root_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(root: Path, command: tuple[str, ...]) -> None:
    """Run COMMAND with the functions' own settings and logins."""
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path, **_environment(root / ".local")}
    program = shutil.which(command[0], path=path)
    if program is None:
        raise click.ClickException(f"there is no command {command[0]}")
    os.execve(program, command, environment)  # noqa: S606


@main.command()
@_root_option
@_state_option
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3650), help="How long it holds.")
@click.argument("user")
def token(root: Path, state: Path | None, days: int, user: str) -> None:
    """Print a token that speaks for USER, of the identity provider of what `up` runs."""
    with _provider(state or root / ".local") as provider:
        click.echo(provider.token(user, seconds=days * 86_400))


@main.command()
@_root_option
@_state_option
@click.argument("user")
def link(root: Path, state: Path | None, user: str) -> None:
    """Print a link to the page of what `up` runs that signs USER in, for twelve hours."""
    with _provider(state or root / ".local") as provider:
        click.echo(provider.link(user))


@contextmanager
def _provider(state: Path) -> Iterator[IdentityProvider]:
    """The identity provider of what runs; what goes wrong with it is one sentence."""
    issuer, key = taskmaster_setup.issuer_of(_environment(state)), state / IDENTITY_KEY
    try:
        if not key.exists():
            raise WrongKeyError(f"{key} is gone: start `python -m knative.local up` again, which makes another")
        yield taskmaster_setup.identity_provider(key, issuer=issuer)
    except (ValueError, WrongKeyError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@_port_option
def status(port: int) -> None:
    """Print what runs, as JSON."""
    click.echo(json.dumps(_ask("GET", port, "/-/status"), indent=2))


# -2h is a journey, not an option.
@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("by")
@_port_option
def travel(by: str, port: int) -> None:
    """Move business time BY 31d, 1d12h, -2h or PT30M."""
    click.echo(f"business time is now {_ask('POST', port, '/-/travel', {'by': by})['business_time']}")


def _environment(state: Path) -> dict[str, str]:
    """The functions' own settings, while they run."""
    file = state / ENVIRONMENT
    if not file.exists():
        raise click.ClickException("the platform is not running here: start it with `python -m knative.local up`")
    found: dict[str, str] = json.loads(file.read_text())
    return found


def _ask(method: str, port: int, path: str, content: dict[str, str] | None = None) -> dict[str, str]:
    url = f"http://localhost:{port}"
    try:
        answer = requests.request(method, url + path, json=content, timeout=10)
        found: dict[str, str] = answer.json()
    except (requests.RequestException, ValueError):
        raise click.ClickException(
            f"no platform answers at {url}: start it with `python -m knative.local up`, or name its --port"
        ) from None
    if answer.status_code >= 400:
        raise click.ClickException(found.get("detail", "it refused"))
    return found


if __name__ == "__main__":
    main(prog_name="python -m knative.local")
