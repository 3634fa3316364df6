"""`make backing`: a throw-away PostgreSQL and Kafka broker on this machine, where the pods of a cluster reach them.

For a first look at the chart, where neither is at hand. Both go with Ctrl-C, and what was in the broker with them. The
broker asks nobody who they are: whoever reaches the address may act for every user.
"""

from __future__ import annotations

import logging
import shlex
import signal
import socket
import sys
from pathlib import Path

import click

from knative.local import taskmaster_setup
from knative.local.embedded import EmbeddedError, broker, postgres
from knative.local.secrets import Passwords, Secrets


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", required=True, help="This machine's address as the pods know it.")
@click.option("--data", default=".local/backing", show_default=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--database-port", default=15432, show_default=True)
@click.option("--broker-port", default=19092, show_default=True)
def main(host: str, data: Path, database_port: int, broker_port: int) -> None:
    """Run both until Ctrl-C, and say how the chart gets to them."""
    logging.disable(logging.CRITICAL)
    if not _is_ours(host):
        click.echo(
            f"make backing: {host} is no address of this machine: HOST is the one by which pods reach it", err=True
        )
        sys.exit(1)
    data.mkdir(parents=True, exist_ok=True)
    try:
        with (
            postgres(data, host=host, port=database_port) as server,
            broker(host=host, port=broker_port) as bootstrap_servers,
        ):
            passwords = Passwords(data / "passwords.json")
            owner_url = taskmaster_setup.create_database(server.url, passwords)
            made = taskmaster_setup.database_secrets(owner_url, passwords)
            click.echo("\n".join(_how_to_install(data, made, port=server.port, brokers=bootstrap_servers)))
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: None)
            signal.pause()
    except (EmbeddedError, OSError) as error:
        click.echo(f"make backing: {error}", err=True)
        sys.exit(1)


def _is_ours(host: str) -> bool:
    """Whether this machine can listen there."""
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _how_to_install(data: Path, made: Secrets, *, port: int, brokers: str) -> list[str]:
    """The shell commands that make the Secrets, without a password in them, and the values that go with them."""
    lines = ["# The Secrets, once the namespace is there:"]
    for name, content in made.items():
        file = data / f"{name}.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{key}={value}\n" for key, value in content.items()))
        lines.append(f"kubectl create secret generic {name} --from-env-file={shlex.quote(str(file))}")
    values = data / "values.yaml"
    values.write_text(f"database:\n  port: {port}\nkafka:\n  bootstrapServers: ['{brokers}']\n")
    return [*lines, "# And for helm:", f"--values {values}", "# Both run until Ctrl-C."]


if __name__ == "__main__":
    main()
