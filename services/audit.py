"""The record of what people and programs did with their rights; rows are only ever added (migration 0050)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString, TypeVar

from schemas.api import PrincipalKind
from services.identifiers import uuid7

Kind = PrincipalKind
Answer = TypeVar("Answer")

_ADD: Final = """
insert into audit.entries (entry_id, kind, name, key_id, action, subject, reason, detail)
values (%(entry_id)s, %(kind)s, %(name)s, %(key_id)s, %(action)s, %(subject)s, %(reason)s, %(detail)s::jsonb)
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `key_id` names the key that signed their token; None outside the API."""

    kind: Kind
    name: str
    key_id: str | None = None


def record(
    execute: Callable[[LiteralString, Mapping[str, Any]], Answer],
    actor: Actor,
    action: str,
    *,
    subject: str | None = None,
    reason: str = "",
    **detail: Any,
) -> Answer:
    """Adds one row in the transaction of `execute`, so that the deed and its record stand or fall together.

    Args:
        execute: runs one statement, such as a connection's `execute`; what it gives is given back, to be awaited
            where it is asynchronous.
        action: noun.verb in the past, such as `release.overruled`.
        subject: id of what it was done to.
        reason: in the actor's words.
        detail: JSON values.
    """
    row = {"entry_id": uuid7(), "kind": actor.kind, "name": actor.name, "key_id": actor.key_id}
    row |= {"action": action, "subject": subject, "reason": reason, "detail": json.dumps(detail)}
    return execute(_ADD, row)
