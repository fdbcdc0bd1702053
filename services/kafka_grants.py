"""Who may write and who may read which topic. `services.kafka_logins` leaves Kafka with exactly this; brokers refuse
the rest, and whoever comes without a login."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from schemas.topics import FEEDBACK, HEARTBEATS, RELEASES

GATEWAY: Final = "encore-gateway"
AGGREGATOR: Final = "encore-aggregator"
ROLLOUT: Final = "encore-rollout"
OPERATOR: Final = "encore-operator"
"""Commands that read the log: audit, replay."""
USERS: Final = (GATEWAY, AGGREGATOR, ROLLOUT, OPERATOR)

WRITERS: Final[Mapping[str, str]] = {**dict.fromkeys((*FEEDBACK, HEARTBEATS), GATEWAY), RELEASES: ROLLOUT}
READERS: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(FEEDBACK, (AGGREGATOR, OPERATOR))
GROUPS: Final[Mapping[str, str]] = {"encore-aggregators": AGGREGATOR, "audit-": OPERATOR, "replay-": OPERATOR}
"""Consumer groups by what their name begins with."""


class Right(NamedTuple):
    """One right of one user. Of a topic `name` is the whole name, of a group what it begins with."""

    user: str
    kind: Literal["topic", "group"]
    name: str
    operation: Literal["READ", "WRITE"]


def rights() -> frozenset[Right]:
    """Every right that is declared. To write or to read is to be told of as well."""
    return frozenset(
        [Right(user, "topic", topic, "WRITE") for topic, user in WRITERS.items()]
        + [Right(user, "topic", topic, "READ") for topic, users in READERS.items() for user in users]
        + [Right(user, "group", prefix, "READ") for prefix, user in GROUPS.items()]
    )
