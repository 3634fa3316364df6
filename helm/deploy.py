"""Deploy an image by its digest: install or upgrade, wait until all is ready, try it; go back where it does not answer.

    python -m helm.deploy --namespace taskmaster --image registry.example.com/taskmaster --digest sha256:... \\
        --values helm/taskmaster/profiles/oke.yaml --values mine.yaml --url https://tasks.example.com

What is tried: `helm test`, from inside the cluster, and with --url one call from outside, which a function must refuse
in its own words because it has no token. A release that fails is rolled back to the revision before it, and the exit
code is 1; a first installation that fails stays, to be looked at. Speaks to the cluster that kubectl points at.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import click
import requests

from helm.command import CHART, HelmFailed, run
from knative.cluster.kubectl import ClusterError, Kubectl


@dataclass(frozen=True, kw_only=True)
class Release:
    """The chart in one namespace. Every step may take so many minutes; HelmFailed or ClusterError where it fails."""

    name: str
    namespace: str
    minutes: int

    def revision(self) -> int | None:
        """The one that is deployed now, if there is one."""
        found = json.loads(self._helm("list", "--deployed", f"--filter=^{self.name}$", "--output=json"))
        return int(found[0]["revision"]) if found else None

    def upgrade(self, values: tuple[Path, ...], **settings: str) -> None:
        given = [f"--values={file}" for file in values]
        given += [f"--set-string={key}={value}" for key, value in settings.items()]
        self._helm("upgrade", self.name, str(CHART), "--install", self._limit, *given)

    def rollback(self, revision: int) -> None:
        self._helm("rollback", self.name, str(revision), self._limit)

    def wait(self) -> None:
        """Helm's own --wait knows nothing of Knative Services."""
        chosen = f"--selector=app.kubernetes.io/instance={self.name}"
        seconds = self.minutes * 60
        kubectl = Kubectl(self.namespace)
        kubectl.run("wait", "--for=condition=Ready", "ksvc", chosen, f"--timeout={seconds}s", timeout=seconds + 30)

    def test(self) -> None:
        self._helm("test", self.name, self._limit)

    @property
    def _limit(self) -> str:
        return f"--timeout={self.minutes}m"

    def _helm(self, verb: str, *arguments: str) -> str:
        return run(verb, *arguments, f"--namespace={self.namespace}")


@click.command(help="Deploy an image by its digest, and go back where it does not answer.")
@click.option("--namespace", required=True, help="the namespace; it must be there, with its Secrets")
@click.option("--image", required=True, help="the image's repository, without tag")
@click.option("--digest", required=True, help="sha256:...")
@click.option("--values", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", default="", help="where people call it, to be tried from outside")
@click.option("--release", default="taskmaster", show_default=True)
@click.option("--minutes", default=10, show_default=True, help="to wait for each step")
def main(*, namespace: str, release: str, minutes: int, **asked: str | tuple[Path, ...]) -> None:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", str(asked["digest"])):
        raise click.ClickException("--digest is sha256: and 64 hexadecimal digits, as the release has said it")
    here = Release(name=release, namespace=namespace, minutes=minutes)
    try:
        before = here.revision()
    except HelmFailed as error:
        raise click.ClickException(f"nothing was done: {error}") from None
    try:
        _deploy(here, **asked)  # type: ignore[arg-type]
    except (HelmFailed, ClusterError, requests.RequestException) as error:
        click.echo(f"failed: {error}", err=True)
        if before is None:
            raise click.ClickException("this was the first installation: it stays as it is, to be looked at") from None
        _take_back(here, before)
        raise click.ClickException(f"{release} is at revision {before} again, as it was") from None


def _deploy(here: Release, *, image: str, digest: str, values: tuple[Path, ...], url: str) -> None:
    here.upgrade(values, **{"image.repository": image, "image.digest": digest})
    click.echo("installed; waiting for the functions")
    here.wait()
    click.echo("every function is ready")
    here.test()
    click.echo("helm test: every function answers, the database and the broker know us")
    if url:
        _try_from_outside(url)
        click.echo(f"{url} reaches the functions")
    click.echo(f"{here.name} in {here.namespace} is {image}@{digest}")


def _take_back(here: Release, revision: int) -> None:
    try:
        here.rollback(revision)
        here.wait()
    except (HelmFailed, ClusterError) as error:
        raise click.ClickException(f"and it is not back at revision {revision} either: {error}") from None


def _try_from_outside(url: str) -> None:
    answer = requests.get(f"{url.rstrip('/')}/tasks", timeout=60)
    if answer.status_code != 401 or answer.headers.get("Content-Type") != "application/problem+json":
        raise ClusterError(f"{url}/tasks answers {answer.status_code} where a call without a token is a 401 of ours")


if __name__ == "__main__":
    main()
