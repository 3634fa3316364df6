"""The way in: where Knative's ingress listens, and a call to a function there by its host name."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import urllib3

from knative.cluster.kubectl import ClusterError, Kubectl
from knative_delivery.sink import Answer, HttpSink

# Where Kourier is installed, and the Service behind which it listens for hosts of the outside and of the inside.
_KOURIER, _OUTSIDE, _INSIDE = "kourier-system", "kourier", "kourier-internal"


class Ingress:
    """Calls functions by host, at `outside`; hosts of the cluster's inside, `*.svc.cluster.local`, at `inside`."""

    def __init__(self, outside: str, inside: str | None = None) -> None:
        self.outside = outside.rstrip("/")
        self.inside = (inside or outside).rstrip("/")
        # Never again by itself: a request that is lost has to be seen.
        self._pool = urllib3.PoolManager(maxsize=64, retries=False)
        self._network = HttpSink()

    def call(
        self,
        method: str,
        host: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        """One request of a person. Raises urllib3's HTTPError where there is no answer."""
        response = self._pool.request(
            method,
            self.outside + path,
            body=body,
            headers={**(headers or {}), "Host": host},
            timeout=timeout,
            redirect=False,
        )
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.data)

    def sink(self, url: str, headers: Mapping[str, bytes], body: bytes, timeout: float) -> Answer:
        """A sink for the stand-in's sources (knative_delivery.sink): what is for the cluster's inside goes there."""
        address = urlsplit(url)
        if not re.fullmatch(r"[a-z0-9.-]+[.]svc([.]cluster[.]local)?", address.netloc):
            return self._network(url, headers, body, timeout)
        inside = {"Host": address.netloc.encode(), **headers}
        return self._network(self.inside + (address.path or "/"), inside, body, timeout)


@contextlib.contextmanager
def found(kubectl: Kubectl, *, environ: Mapping[str, str] = os.environ) -> Iterator[Ingress]:
    """The ingress that INGRESS_URL (and INGRESS_INTERNAL_URL, for the inside) names, else Kourier by port-forward."""
    if url := environ.get("INGRESS_URL"):
        yield Ingress(url, environ.get("INGRESS_INTERNAL_URL"))
        return
    kourier = kubectl.in_namespace(_KOURIER)
    if kourier.get("service", _OUTSIDE) is None:
        raise ClusterError("there is no Kourier in kourier-system: set INGRESS_URL to where your ingress listens")
    with forwarded(kourier, _OUTSIDE) as outside, forwarded(kourier, _INSIDE) as inside:
        yield Ingress(outside, inside)


@contextlib.contextmanager
def forwarded(kubectl: Kubectl, service: str, *, port: int = 80) -> Iterator[str]:
    """The address on this machine by which a Service of the cluster is reached. Raises ClusterError."""
    process = kubectl.start("port-forward", f"service/{service}", f":{port}")
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        match = re.search(r"127\.0\.0\.1:(\d+)", said)
        if match is None:
            raise ClusterError(f"kubectl port-forward to {service}: {said.strip() or 'it said nothing'}")
        yield f"http://127.0.0.1:{match[1]}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)


def host_of(kubectl: Kubectl, service: str) -> str:
    """The host by which a Knative Service is called: of the outside, or of the inside if it is cluster-local."""
    found = kubectl.get("services.serving.knative.dev", service)
    url = (found or {}).get("status", {}).get("url", "")
    if not url:
        raise ClusterError(f"{service} has no address yet: kubectl describe ksvc {service} -n {kubectl.namespace}")
    return str(urlsplit(url).netloc)
