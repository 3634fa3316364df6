"""Deploy an image by its digest: install or upgrade, wait until every function is ready, try it; go back where it is not.

    python -m helm.deploy --namespace taskmaster --image ghcr.io/me/taskmaster --digest sha256:... \\
        --values helm/taskmaster/profiles/oke.yaml --values mine.yaml --url https://tasks.example.com

What is tried: `helm test`, from inside the cluster, and with --url one call from outside, which a function must refuse in
its own words because it has no token. A release that fails this is rolled back to the revision before it, and the exit
code is 1; a first installation that fails stays, to be looked at. Speaks to the cluster that kubectl points at.
"""

import json
import re
from pathlib import Path

import click
import requests

from helm.command import CHART, HelmFailed, run
from knative.cluster.kubectl import ClusterError, Kubectl

READY = "--for=condition=Ready"


@click.command(help="Deploy an image by its digest, and go back where it does not answer.")
@click.option("--namespace", required=True, help="the namespace; it must be there, with its Secrets")
@click.option("--image", required=True, help="the image's repository, without tag")
@click.option("--digest", required=True, help="sha256:...")
@click.option("--values", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--url", default="", help="where people call it, to be tried from outside")
@click.option("--release", default="taskmaster", show_default=True)
@click.option("--minutes", default=10, show_default=True, help="to wait for each step")
def main(
    namespace: str, image: str, digest: str, values: tuple[Path, ...], url: str, release: str, minutes: int
) -> None:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise click.ClickException("--digest is sha256: and 64 hexadecimal digits, as the release has said it")
    kubectl = Kubectl(namespace)
    before = _revision(namespace, release)
    try:
        _upgrade(namespace, release, image, digest, values, minutes)
        _wait(kubectl, release, minutes)
        _try_from_inside(namespace, release, minutes)
        if url:
            _try_from_outside(url)
    except (HelmFailed, ClusterError, requests.RequestException) as error:
        click.echo(f"failed: {error}", err=True)
        if before is None:
            raise click.ClickException("this was the first installation: it stays as it is, to be looked at") from None
        click.echo(f"going back to revision {before}", err=True)
        run("rollback", release, str(before), f"--namespace={namespace}", f"--timeout={minutes}m")
        _wait(kubectl, release, minutes)
        raise click.ClickException(f"{release} is at revision {before} again, as it was") from None
    click.echo(f"{release} in {namespace} is {image}@{digest}")


def _revision(namespace: str, release: str) -> int | None:
    """The revision that is deployed now, if there is one."""
    chosen = ["--deployed", f"--filter=^{release}$", "--output=json"]
    found = json.loads(run("list", f"--namespace={namespace}", *chosen))
    return int(found[0]["revision"]) if found else None


def _upgrade(namespace: str, release: str, image: str, digest: str, values: tuple[Path, ...], minutes: int) -> None:
    files = [f"--values={file}" for file in values]
    settings = [f"--set-string=image.repository={image}", f"--set-string=image.digest={digest}"]
    where = [f"--namespace={namespace}", f"--timeout={minutes}m"]
    run("upgrade", release, str(CHART), "--install", *where, *files, *settings)
    click.echo("installed; waiting for the functions")


def _wait(kubectl: Kubectl, release: str, minutes: int) -> None:
    """Helm's own --wait knows nothing of Knative Services."""
    chosen = f"--selector=app.kubernetes.io/instance={release}"
    seconds = minutes * 60
    kubectl.run("wait", READY, "ksvc", chosen, f"--timeout={seconds}s", timeout=seconds + 30)
    click.echo("every function is ready")


def _try_from_inside(namespace: str, release: str, minutes: int) -> None:
    run("test", release, f"--namespace={namespace}", f"--timeout={minutes}m")
    click.echo("helm test: every function answers, the database and the broker know us")


def _try_from_outside(url: str) -> None:
    answer = requests.get(f"{url.rstrip('/')}/tasks", timeout=60)
    refused = answer.status_code == 401 and answer.headers.get("Content-Type") == "application/problem+json"
    if not refused:
        raise ClusterError(f"{url}/tasks answers {answer.status_code} where a call without a token is a 401 of ours")
    click.echo(f"{url} reaches the functions")


if __name__ == "__main__":
    main()
