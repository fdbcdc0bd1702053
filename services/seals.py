"""Sealed records: what the log holds of a listener, readable only with that listener's key.

A sealed record's key is the name of the listener's log, a random UUID. Its value:

    version (1 byte: 1) | length of the type (1 byte) | type (ASCII) | nonce (12 bytes) | the event, sealed

The event is encrypted and authenticated by AES-256-GCM (NIST SP 800-38D) with a tag of 16 bytes; authenticated with it
are the topic, the name of the log and the bytes before the nonce. The event's id lies within: in the open it would lead
whoever knows it to the log. Nonces are random, which allows 2^32 events under one key (section 8.3).
"""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple, NewType
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.streams import Message, Outgoing

VERSION: Final = 1
KEY_BYTES: Final = 32
MOST_AGE_S: Final = 20.0
"""How long a process remembers a key, or that there is none, before it asks again."""
_MARK: Final = bytes((VERSION,))
_NONCE_BYTES: Final = 12

Sealed = NewType("Sealed", Outgoing)
"""A record that may go into the log."""


class LogKey(NamedTuple):
    """Whose log it is, its name, and the key that opens it."""

    listener_id: UUID
    log: UUID
    key: bytes


Keys = Mapping[UUID, LogKey | None]
"""By name of the log; None where the key was thrown away. A name that is missing is not known."""


class KeyThrownAway(Exception):
    """Its listener was erased: nobody can read it."""


class Unopenable(Exception):
    """It is not what was sealed, or nothing is known of its key; the text says what is wrong."""


def seal(message: Outgoing, key: LogKey) -> Sealed:
    """The record of an event whose key is its listener's id.

    Raises:
        ValueError: the key is another listener's, or the event has no type.
    """
    if not message.kind:
        raise ValueError("an event without a type could not be counted")
    if message.key != str(key.listener_id).encode():
        raise ValueError("the event is not of the listener whose key this is")
    kind = message.kind.encode("ascii")
    head = bytes((VERSION, len(kind))) + kind
    nonce, log = os.urandom(_NONCE_BYTES), str(key.log).encode()
    hidden = AESGCM(key.key).encrypt(nonce, message.value, _bound(message.topic, log, head))
    return Sealed(message._replace(key=log, value=head + nonce + hidden))


def is_sealed(value: bytes | None) -> bool:
    """Whether a record's value is not in the open: no JSON begins with this byte."""
    return value is not None and value.startswith(_MARK)


def kind_of(value: bytes) -> str | None:
    """The type that a sealed record says it is of; it is in the open, so that records can be counted without a key."""
    kind = value[2:][: value[1] if len(value) > 1 else 0]
    return kind.decode("ascii") if kind.isascii() else None


def log_of(message: Message) -> UUID | None:
    """The name of a sealed record's log; None for one in the open, or where the key is no name."""
    if not is_sealed(message.value):
        return None
    try:
        return UUID((message.key or b"").decode())
    except ValueError:
        return None


def opened(message: Message, keys: Keys) -> Message:
    """The record as it was before it was sealed; one in the open, from before records were sealed, is its own answer.

    Raises:
        KeyThrownAway: its key is gone.
        Unopenable: it does not authenticate, or its log is not known.
    """
    if not is_sealed(message.value):
        return message
    log = log_of(message)
    if log is None:
        raise Unopenable("it is sealed, and its key is no name of a log")
    if log not in keys:
        raise Unopenable(f"it is sealed, and no key of the log {log} is known, nor that one was thrown away")
    key = keys[log]
    if key is None:
        raise KeyThrownAway
    return message._replace(key=str(key.listener_id).encode(), value=_open(message, key.key))


def _open(message: Message, key: bytes) -> bytes:
    value, log = message.value or b"", message.key or b""
    length = 2 + (value[1] if len(value) > 1 else 0)
    head, nonce, hidden = value[:length], value[length : length + _NONCE_BYTES], value[length + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, hidden, _bound(message.topic, log, head))
    except (InvalidTag, ValueError) as error:
        raise Unopenable("it is sealed, and not what was sealed: it does not authenticate") from error


def _bound(topic: str, log: bytes, head: bytes) -> bytes:
    return b"\0".join((topic.encode(), log, head))
