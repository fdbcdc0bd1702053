"""Who may do what at Kafka: every topic and group against every login."""

from typing import Final

from infra.documents.table import MADE, table
from schemas.topics import RETENTION_MS
from services.kafka_grants import GROUPS, USERS, rights

_WORDS: Final = {("topic", "WRITE"): "writes", ("topic", "READ"): "reads", ("group", "READ"): "is a member"}


def rights_table() -> str:
    """The table of docs/security.md."""
    rows = [*(("topic", name) for name in RETENTION_MS), *(("group", prefix) for prefix in GROUPS)]
    made = ((_title(kind, name), *(_cell(kind, name, user) for user in USERS)) for kind, name in rows)
    return MADE + "\n\n" + table(("at Kafka", *(f"`{user}`" for user in USERS)), made).rstrip()


def _title(kind: str, name: str) -> str:
    return f"topic `{name}`" if kind == "topic" else f"groups `{name}*`"


def _cell(kind: str, name: str, user: str) -> str:
    given = [right for right in sorted(rights()) if (right.user, right.kind, right.name) == (user, kind, name)]
    return ", ".join(_WORDS[right.kind, right.operation] for right in given)
