"""A principal and what each kind may do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from services.audit import Actor, Kind

Scope = Literal[
    "listeners:create",
    "tokens:mint",
    "tokens:renew",
    "logins:make",
    "listen",
    "erase",
    "operate",
    "releases:read",
    "uplift:read",
    "audit:read",
]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SCOPES: Final[Mapping[Kind, frozenset[Scope]]] = {
    "service": frozenset({"listeners:create", "tokens:mint", "logins:make", "listen", "erase"}),
    "listener": frozenset({"tokens:renew", "listen", "erase"}),
    "operator": frozenset({"logins:make", "operate", "erase", "releases:read", "uplift:read", "audit:read"}),
    "analyst": frozenset({"releases:read", "uplift:read"}),
    "process": frozenset(),
}
"""`listen`: songs, tracks, pairs, events and taste of listeners within reach; `operate`: rounds, switches,
orders, how far feedback is. Encore's own processes ask nothing of the public API."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as their token says.

    Attributes:
        name: a service's, a person's; a listener's is their id.
        listener_id: the one listener whom a listener's token speaks for.
        key_id: the key that signed the token.
        renewable_until: until when a listener's token may be renewed; None: not at all.
    """

    kind: Kind
    name: str
    key_id: str
    scopes: frozenset[Scope]
    listener_id: UUID | None = None
    renewable_until: datetime | None = None

    @property
    def actor(self) -> Actor:
        """The same, as the audit names it."""
        return Actor(self.kind, self.name, self.key_id)

    @property
    def owner(self) -> str:
        """By which budgets and places are counted."""
        return f"{self.kind}:{self.name if self.listener_id is None else self.listener_id}"
