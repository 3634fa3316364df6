"""A real broker behind a relay that a test can make fail: gone, without a topic, or silent about what it stored.

Clients talk Kafka to the relay, and the relay to the broker, both by TLS where the broker asks for it; signing in is
between the client and the broker. It changes two kinds of message: metadata, so that clients
come back to it and do not find the hidden topics, and, when told to, it loses acknowledgements.
"""

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import trustme
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from kafka.protocol.producer import ProduceRequest, ProduceResponse

from knative.local.processes import free_port

_PRODUCE, _METADATA = 0, 3
_UNKNOWN_TOPIC, _INVALID_RECORD = 3, 87


class UnreliableBroker:
    """Between `come_back` and `go_away`, a broker that does what it is told.

    `hidden` holds the topics that it does not know; `lost_acknowledgements` counts down those that it loses, and
    `refusals` the requests of producers that it refuses, as one refuses a record that breaks its rules. While it
    `hangs_up`, as a proxy does whose broker is gone, it accepts a connection and closes it; `hung_up` says how many.
    """

    def __init__(self, upstream: Mapping[str, str], directory: Path) -> None:
        host, _, port = upstream["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")
        self._upstream = (host, int(port))
        self._port = free_port()
        # What a client's KAFKA_* have to be to come here.
        self.environment = {**upstream, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self._port}"}
        self._server: ssl.SSLContext | None = None
        self._client: ssl.SSLContext | None = None
        if upstream.get("KAFKA_SECURITY_PROTOCOL", "").endswith("SSL"):
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(directory / "ca.pem"))
            self.environment["KAFKA_SSL_CAFILE"] = str(directory / "ca.pem")
            self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(self._server)
            self._client = ssl.create_default_context(cafile=upstream.get("KAFKA_SSL_CAFILE"))
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.hidden: set[str] = set()
        self.lost_acknowledgements = 0
        self.refusals = 0
        self.hangs_up = False
        self.hung_up = 0

    @classmethod
    @contextlib.contextmanager
    def before(cls, upstream: Mapping[str, str]) -> Iterator["UnreliableBroker"]:
        """Before the broker of these KAFKA_*."""
        with tempfile.TemporaryDirectory(prefix="taskmaster-test-") as directory:
            relay = cls(upstream, Path(directory))
            relay.come_back()
            try:
                yield relay
            finally:
                relay.go_away()

    def come_back(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def go_away(self) -> None:
        """Refuse connections and break those that are open. What the broker has, it keeps."""
        with self._lock:
            listener, self._listener = self._listener, None
            open_now, self._open = self._open, set()
        for each in (listener, *open_now):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self.hangs_up:
                self.hung_up += 1
                client.close()
                continue
            threading.Thread(target=self._relay, args=(client, listener), daemon=True).start()

    def _relay(self, accepted: socket.socket, listener: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), self._encrypted(accepted) as client, self._connect() as broker:
            with self._lock:
                if self._listener is not listener:
                    return
                self._open |= {client, broker}
            while True:
                request = _read(client)
                api, version = struct.unpack_from(">hh", request)
                if api == _METADATA:
                    answer = self._metadata(broker, request, version)
                elif api == _PRODUCE and self._refuses():
                    answer = _refusal(request, version)
                else:
                    answer = _ask(broker, request)
                if api == _PRODUCE and self._loses():
                    return
                _write(client, answer)

    def _encrypted(self, client: socket.socket) -> socket.socket:
        return self._server.wrap_socket(client, server_side=True) if self._server else client

    def _connect(self) -> socket.socket:
        broker = socket.create_connection(self._upstream)
        return self._client.wrap_socket(broker, server_hostname=self._upstream[0]) if self._client else broker

    def _loses(self) -> bool:
        with self._lock:
            lost = self.lost_acknowledgements > 0
            self.lost_acknowledgements -= lost
            return lost

    def _refuses(self) -> bool:
        with self._lock:
            refused = self.refusals > 0
            self.refusals -= refused
            return refused

    def _metadata(self, broker: socket.socket, frame: bytes, version: int) -> bytes:
        """A broker that makes topics as they are asked for must not hear of the hidden ones."""
        request = MetadataRequest.decode(frame, version=version, header=True)
        asked = [topic.name for topic in request.topics or []]
        if request.topics is not None:
            request.topics = [topic for topic in request.topics if topic.name not in self.hidden]
        answer = MetadataResponse.decode(_ask(broker, request.encode(header=True)), version=version, header=True)
        for node in answer.brokers:
            node.host, node.port = "127.0.0.1", self._port
        answer.topics = [topic for topic in answer.topics if topic.name not in self.hidden]
        answer.topics += [
            MetadataResponse.MetadataResponseTopic(
                error_code=_UNKNOWN_TOPIC, name=name, is_internal=False, partitions=[], version=version
            )
            for name in asked
            if name in self.hidden
        ]
        return bytes(answer.encode(header=True))


def _refusal(frame: bytes, version: int) -> bytes:
    """An answer by which none of the records is stored, nor ever will be."""
    request = ProduceRequest.decode(frame, version=version, header=True)
    topics = ProduceResponse.TopicProduceResponse
    answer = ProduceResponse(
        version=version,
        throttle_time_ms=0,
        responses=[
            topics(
                version=version,
                name=topic.name,
                partition_responses=[
                    topics.PartitionProduceResponse(
                        version=version, index=each.index, error_code=_INVALID_RECORD, base_offset=-1,
                        log_append_time_ms=-1, log_start_offset=-1, record_errors=[], error_message=None,
                    )
                    for each in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ],
    )  # fmt: skip
    answer.with_header(correlation_id=request.header.correlation_id)
    return bytes(answer.encode(header=True))


def _ask(broker: socket.socket, request: bytes) -> bytes:
    _write(broker, request)
    return _read(broker)


def _read(connection: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            raise EOFError
        got += part
    return bytes(got)


def _write(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(struct.pack(">i", len(frame)) + frame)
