"""The settings of the bridge alone; it reads those of the pack too (KAFKA_TOPICS, LOG_LEVEL).

HOST, PORT          where it listens for daprd: 127.0.0.1 and 8080 unless set
APP_API_TOKEN       what daprd has to show in dapr-api-token; without it HOST has to be set, to a loopback address
NAMESPACE           where the functions are; unset: that of the pod, or `default`
DAPR_PUBSUB         the first half of the components' names: pubsub unless set
FUNCTION_GATEWAY    where functions are reached with their internal host, such as http://127.0.0.1:8081; unset: by
                    that host itself, as KafkaSource does
EVENT_TOKEN_FILE    a token that is sent with each event, read anew each time: the projected token of a service
                    account whose audience is EVENT_OIDC_AUDIENCE; unset: none
BRIDGE_CONNECTIONS  connections of daprd at once; further ones wait: 128 unless set
MAX_EVENT_BYTES     the largest event, in its envelope: 15,000,000 unless set
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from taskmaster.outbound import kubernetes
from taskmaster.settings import WrongSetting

_LARGEST = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class BridgeSettings:
    """See above. `token` is APP_API_TOKEN; '' asks for none."""

    host: str
    port: int
    token: str
    namespace: str
    pubsub: str
    gateway: str
    token_file: str
    connections: int
    largest: int

    def event_token(self) -> str:
        """The token to send with an event, or ''. Raises OSError where its file cannot be read."""
        return Path(self.token_file).read_text(encoding="ascii").strip() if self.token_file else ""


def read(environ: Mapping[str, str]) -> BridgeSettings:
    """Read them. Raises WrongSetting, naming every variable at fault."""
    faults: list[str] = []

    def number(name: str, default: int, *, most: int) -> int:
        text = environ.get(name) or str(default)
        if text.isascii() and text.isdigit() and len(text) < 11 and 1 <= int(text) <= most:
            return int(text)
        faults.append(f"{name} is wrong: it must be a number from 1 to {most}")
        return default

    host, token = environ.get("HOST", ""), environ.get("APP_API_TOKEN", "")
    if not token and not _is_loopback(host):
        faults.append(
            "APP_API_TOKEN is not set: whoever reaches the bridge could send events of any user."
            " Set it, for daprd too; or set HOST to a loopback address"
        )
    gateway = environ.get("FUNCTION_GATEWAY", "").rstrip("/")
    if gateway and (urlsplit(gateway).scheme != "http" or not urlsplit(gateway).netloc or urlsplit(gateway).path):
        faults.append("FUNCTION_GATEWAY is wrong: it must be an address such as http://127.0.0.1:8081")
    settings = BridgeSettings(
        host=host or "127.0.0.1",
        port=number("PORT", 8080, most=65_535),
        token=token,
        namespace=environ.get("NAMESPACE") or kubernetes.namespace(),
        pubsub=environ.get("DAPR_PUBSUB") or "pubsub",
        gateway=gateway,
        token_file=environ.get("EVENT_TOKEN_FILE", ""),
        connections=number("BRIDGE_CONNECTIONS", 128, most=10_000),
        largest=number("MAX_EVENT_BYTES", 15_000_000, most=_LARGEST),
    )
    if faults:
        raise WrongSetting("\n".join(["taskmaster cannot start:", *(f"  {fault}" for fault in faults)]))
    return settings


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
