"""Speaks to a broker by hand. kafka-python 3.0.12 mostly sees the connection's end and not the refusal before it, and
cannot tell that from a broker that is away."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair

from kafka.net.sasl.scram import ScramClient

from services.kafka_access import options

REFUSED = 58
"""Kafka's number for a login that is none of its own."""
PATIENCE_S = 120.0
_METADATA, _HANDSHAKE, _AUTHENTICATE = (3, 8), (17, 1), (36, 0)


@contextmanager
def connected(address: str) -> Iterator[BufferedRWPair]:
    """A connection to the first broker on which nothing is said yet. Raises OSError where it is away or too slow."""
    host, port = options(address)["bootstrap_servers"][0].split(":")
    with socket.create_connection((host, int(port)), PATIENCE_S) as connection, connection.makefile("rwb") as stream:
        yield stream


def log_in(stream: BufferedRWPair, address: str) -> int:
    """What is wrong with the login of an address, as Kafka's number for it; 0 where it is let in."""
    asked = options(address)
    mechanism = asked["sasl_mechanism"]
    scram = ScramClient(asked["sasl_plain_username"], asked["sasl_plain_password"], mechanism)
    _ask(stream, _HANDSHAKE, struct.pack(">h", len(mechanism)) + mechanism.encode())
    wrong, salt = _authenticate(stream, scram.first_message())
    if wrong:
        return wrong
    scram.process_server_first_message(salt)
    return _authenticate(stream, scram.final_message())[0]


def everything(stream: BufferedRWPair) -> bytes:
    """What a broker tells of all its topics; empty where it ends the connection instead."""
    return _ask(stream, _METADATA, struct.pack(">i???", -1, False, False, False))


def _authenticate(stream: BufferedRWPair, token: bytes) -> tuple[int, bytes]:
    """What is wrong, and the broker's own token."""
    answer = _ask(stream, _AUTHENTICATE, struct.pack(">i", len(token)) + token)
    wrong, told = struct.unpack(">hh", answer[:4])
    return wrong, answer[4 + max(told, 0) + 4 :]


def _ask(stream: BufferedRWPair, question: tuple[int, int], body: bytes) -> bytes:
    """The body of the answer to a question, which is named by its number and version."""
    request = struct.pack(">hhih", *question, 1, -1) + body
    stream.write(struct.pack(">i", len(request)) + request)
    stream.flush()
    try:
        length = stream.read(4)
        return stream.read(struct.unpack(">i", length)[0])[4:] if length else b""
    except ConnectionResetError:
        return b""
