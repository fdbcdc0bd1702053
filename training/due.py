"""Which listeners are due for training, and whether a round may start now. Pure: facts in, a decision out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True)
class Standing:
    """What the tables say of one listener; "new" means since the last round that learned from them."""

    listener_id: UUID
    songs: int = 0
    ratings: int = 0
    new_songs: int = 0
    new_ratings: int = 0
    newest_song_at: datetime | None = None
    has_adapter: bool = False
    in_canary: bool = False
    may_train: bool = True
    """They agreed that Encore learns from what they do."""
    rests: bool = False
    """Their last rounds failed for a reason of their own; only an operator who names them tries again before the rest
    is over."""

    @property
    def is_free(self) -> bool:
        """Whether a round that nobody asked for may take them."""
        return self.may_train and not (self.in_canary or self.rests)

    @property
    def has_material(self) -> bool:
        return self.songs + self.ratings > 0

    @property
    def has_something_new(self) -> bool:
        return self.new_songs + self.new_ratings > 0


@dataclass(frozen=True)
class Request:
    """An operator's wish to train now; no listeners means everyone with something new."""

    request_id: UUID
    listeners: frozenset[UUID]


@dataclass(frozen=True)
class Rule:
    """When a round starts by itself."""

    min_ratings: int
    upload_wait: timedelta


class Rest(NamedTuple):
    """After how many failures in a row a listener is let alone, and for how long at first."""

    patience: int
    rest: timedelta


@dataclass(frozen=True)
class Start:
    """A round to start, and the requests that it answers, oldest first; without listeners it only answers."""

    listeners: tuple[UUID, ...]
    requests: tuple[UUID, ...] = ()
    detail: str = ""


def decide(
    requests: Iterable[Request], standings: Iterable[Standing], rule: Rule, now: datetime, *, release_pending: bool
) -> Start | None:
    """The next round, or None.

    Args:
        requests: not yet taken, oldest first.
        standings: of every listener who has a song or a rating.
        rule: for rounds without a request.
        now: what `upload_wait` is measured against.
        release_pending: a trained round waits for its release; a second one would overtake it.
    """
    if release_pending:
        return None
    known = {standing.listener_id: standing for standing in standings}
    if asked := list(requests):
        return _requested(asked, known)
    due = {s.listener_id for s in known.values() if is_due(s, rule, now)}
    along = {s.listener_id for s in known.values() if comes_along(s, rule)}
    return Start(tuple(sorted(due | along))) if due else None


def is_due(standing: Standing, rule: Rule, now: datetime) -> bool:
    """Whether the automatic rule wants this listener trained."""
    if not standing.is_free:
        return False
    if standing.new_ratings >= rule.min_ratings:
        return True
    newest = standing.newest_song_at
    # The wait lets a listener finish bringing songs, so that one round learns from all of them.
    return (
        not standing.has_adapter and standing.new_songs > 0 and newest is not None and now - newest > rule.upload_wait
    )


def comes_along(standing: Standing, rule: Rule) -> bool:
    """Whether a round that begins for others takes this listener, too: what a release of few is worth nobody can tell,
    and who is left behind would soon be due alone."""
    return standing.is_free and 2 * standing.new_ratings >= rule.min_ratings


def _requested(requests: Sequence[Request], known: dict[UUID, Standing]) -> Start:
    """One round for all who are asked for."""
    named = frozenset[UUID]().union(*(request.listeners for request in requests))
    wanted = {i for i in named if i in known and known[i].has_material}
    asks_for_everyone = not all(request.listeners for request in requests)
    if asks_for_everyone:
        wanted |= {i for i, standing in known.items() if standing.has_something_new and not standing.rests}
    agreed = {i for i in wanted if known[i].may_train}
    free = {i for i in agreed if not known[i].in_canary}
    notes = []
    if unasked := len(wanted) - len(agreed):
        notes.append(f"{unasked} left out: no consent to training")
    if resting := sum(s.rests and s.has_something_new for s in known.values() if s.listener_id not in wanted):
        notes.append(f"{resting} left out: resting after failures of their own")
    if held := len(agreed) - len(free):
        notes.append(f"{held} left out: in a canary")
    if bare := len(named - wanted):
        notes.append(f"{bare} left out: no song and no rating")
    if not wanted and asks_for_everyone and not resting:
        notes.append("nobody has anything new")
    return Start(tuple(sorted(free)), tuple(request.request_id for request in requests), "; ".join(notes))
