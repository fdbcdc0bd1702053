"""What lies in the log, opened, and what may be put there."""

import os
from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

import psycopg

from services.seals import KEY_BYTES, LogKey, Sealed, log_of, opened, seal
from services.streams import Message, Outgoing


def new_key(listener_id: UUID | None = None) -> LogKey:
    """A key that no database knows."""
    return LogKey(listener_id or uuid4(), uuid4(), os.urandom(KEY_BYTES))


def keys_in(dsn: str) -> dict[UUID, LogKey]:
    """Every key of the database, by listener."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select listener_id, log, key from gateway.log_keys").fetchall()
    return {row[0]: LogKey(*row) for row in rows}


def in_the_clear(messages: Iterable[Message], dsn: str) -> list[Message]:
    """These messages as they were before they were sealed, with the keys of the database."""
    keys = {key.log: key for key in keys_in(dsn).values()}
    return [opened(message, keys) for message in messages]


def readable(messages: Iterable[Message], dsn: str) -> list[Message]:
    """The same, without what no key of this database opens: what other tests have left in the log."""
    keys = {key.log: key for key in keys_in(dsn).values()}
    return [opened(message, keys) for message in messages if log_of(message) in (None, *keys)]


def known(dsn: str, listeners: Iterable[UUID]) -> dict[UUID, LogKey]:
    """Makes these listeners and a key for each, as the gateway does."""
    made = [new_key(listener_id) for listener_id in sorted(set(listeners))]
    with psycopg.connect(dsn) as connection:
        for key in made:
            connection.execute("insert into gateway.listeners (listener_id) values (%s)", (key.listener_id,))
            connection.execute("insert into gateway.log_keys values (%s, %s, %s)", key)
    return {key.listener_id: key for key in made}


def sealed(messages: Sequence[Outgoing], keys: dict[UUID, LogKey]) -> list[Sealed]:
    """Each message of a listener, sealed."""
    return [seal(message, keys[UUID(message.key.decode())]) for message in messages]
