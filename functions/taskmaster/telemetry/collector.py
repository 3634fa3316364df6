"""The collector of traces: OTLP over HTTP with protocol buffers, as the SDK's own variables say.

The SDK's exporter takes its own spans alone; see protobuf.py for why there are none here. Each variable is read with
_TRACES_ in its name first (OpenTelemetry's specification, "OTLP Exporter Configuration").
"""

import gzip
import os

import requests
from opentelemetry.util.re import parse_env_headers
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

_TIMEOUT_SECONDS = "10"
# What a client repeats, and after how long (OTLP 1.0, "OTLP/HTTP Response"). Nothing was taken then.
_RETRY = Retry(total=3, connect=1, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None)


class Collector:
    """Takes encoded spans."""

    def __init__(self) -> None:
        whole = _variable("ENDPOINT", of_traces_alone=True)
        self._url = whole or f"{_variable('ENDPOINT').rstrip('/')}/v1/traces"
        self._timeout = float(_variable("TIMEOUT") or _TIMEOUT_SECONDS)
        self._is_compressed = _variable("COMPRESSION") == "gzip"
        self._session = requests.Session()
        self._session.verify = _variable("CERTIFICATE") or True
        self._session.headers.update(parse_env_headers(_variable("HEADERS"), liberal=True))
        self._session.headers["Content-Type"] = "application/x-protobuf"
        if self._is_compressed:
            self._session.headers["Content-Encoding"] = "gzip"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_RETRY))

    def take(self, body: bytes) -> bool:
        """Send the body of one request. Whether it was taken."""
        sent = gzip.compress(body) if self._is_compressed else body
        try:
            return self._session.post(self._url, sent, timeout=self._timeout, allow_redirects=False).ok
        except requests.RequestException:
            return False

    def close(self) -> None:
        self._session.close()


def _variable(name: str, *, of_traces_alone: bool = False) -> str:
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", "")
    return own or ("" if of_traces_alone else os.environ.get(f"OTEL_EXPORTER_OTLP_{name}", ""))
