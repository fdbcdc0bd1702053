"""Asks a part whether it is well, over the network, as its users would. An answer is "" or what is wrong."""

import socket
import ssl
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from infra.local.part import Probe
from services.kafka_access import options

WAIT_S = 5.0


def ask(probe: Probe, wait_s: float = WAIT_S) -> str:
    """Return "" when the part is well, else one line that says what is wrong, after `wait_s` seconds at most. Never
    raises for a part's fault."""
    asked = {"http": _http, "postgres": _postgres, "kafka": _kafka, "tcp": _tcp, "process": _nothing}[probe.kind]
    try:
        return asked(probe.target, wait_s)
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _nothing(_target: str, _wait_s: float) -> str:
    return ""


def _http(urls: str, wait_s: float) -> str:
    # Loopback must not go through a proxy that the environment names for the outside.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url in urls.split():
        try:
            with opener.open(url, timeout=wait_s) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            return f"{url} answers {error.code}: {error.read(200).decode(errors='replace')}"
    return ""


def _postgres(dsn: str, wait_s: float) -> str:
    """As `pg_isready` asks: whether a session could begin now. It needs no password."""
    from psycopg import pq  # here, because the watchdog and tests of the other probes do without it
    from psycopg.conninfo import make_conninfo

    answer = pq.PGconn.ping(make_conninfo(dsn, connect_timeout=int(wait_s)).encode())
    return "" if answer == pq.Ping.OK else f"PostgreSQL takes no connections ({pq.Ping(answer).name.lower()})"


def _tcp(address: str, wait_s: float) -> str:
    with socket.create_connection(host_and_port(address), wait_s):
        return ""


def _kafka(address: str, wait_s: float) -> str:
    """ApiVersions, version 0: the smallest request that only a broker in service answers, and without a login."""
    request = struct.pack(">hhih", 18, 0, 1, 6) + b"encore"
    with _connected(address, wait_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb").read(10)
    if len(answer) < 10:
        return "the broker closed the connection"
    _length, correlation, error = struct.unpack(">iih", answer)
    return "" if (correlation, error) == (1, 0) else f"ApiVersions answers error {error}"


@contextmanager
def _connected(address: str, wait_s: float) -> Iterator[socket.socket]:
    """To the first of Kafka's brokers, over TLS if it is spoken to so."""
    asked = options(address)
    host, port = host_and_port(asked["bootstrap_servers"][0])
    with socket.create_connection((host, port), wait_s) as connection:
        if "SSL" not in asked["security_protocol"]:
            yield connection
            return
        context = ssl.create_default_context(cafile=asked.get("ssl_cafile"))
        with context.wrap_socket(connection, server_hostname=host) as inside:
            yield inside


def host_and_port(address: str) -> tuple[str, int]:
    """Of `host:port` or a URL with a port.

    Raises:
        ValueError: there is no port.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    if not parts.hostname or not parts.port:
        raise ValueError(f"host:port expected, got {address!r}")
    return parts.hostname, parts.port
