"""The bystander's own webhook, by https: it answers at once, and notes what comes when."""

import ssl
from typing import Self

from tests.support.receiver import Receiver


class SecureReceiver(Receiver):
    """A receiver behind TLS. The handshake is the business of each connection's own thread."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__()
        self._tls = tls
        self.url = self.url.replace("http:", "https:", 1)

    def __enter__(self) -> Self:
        self._server.socket = self._tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        super().__enter__()
        return self
