"""Rows of what operators do to the running of releases, with who and why, and of their kill switches and orders."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

from schemas.operating import Action
from services.audit import Actor, record
from services.identifiers import uuid7
from services.postgres import Pool, load_queries, transaction

MOST: Final = 50


QUERIES: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator wants done to what, why, and their name. `serve` and `serve_previous` are commands only: done
    twice, they are two deeds."""

    action: Action | Literal["serve", "serve_previous"]
    reason: str
    by: str
    release_id: UUID | None = None
    listener_id: UUID | None = None
    version: int | None = None


def act(connection: Any, wish: Wish) -> None:
    """Note, within the caller's transaction, that a wish was done."""
    connection.execute(QUERIES["act"], {"action_id": uuid7(), **asdict(wish)})


class Operating:
    """All methods raise `BackendAway` while Postgres cannot be reached. What is done already may be done again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def pause_or_resume(self, wish: Wish) -> str:
        """A paused release gets no new tracks on its candidates, and its clock stands still.

        Raises:
            ValueError: no such release, or it is no canary.
        """
        ids = {"release_id": wish.release_id}
        with transaction(self._pool) as connection:
            if connection.execute(QUERIES[wish.action], ids).fetchone() is not None:
                act(connection, wish)
                return f"{wish.action} recorded for {wish.release_id}"
            release = connection.execute(QUERIES["release"], ids).fetchone()
        if release is None or release["status"] != "canary":
            is_now = "unknown" if release is None else release["status"]
            raise ValueError(f"The release {wish.release_id} is {is_now}; only a canary is paused or resumed.")
        return f"the release {wish.release_id} {'is paused' if release['paused'] else 'runs'} already"

    def stop_or_start(self, wish: Wish) -> str:
        """Whether rounds that wait become canaries; those that run go on."""
        wanted = wish.action == "stop"
        with transaction(self._pool) as connection:
            if self._stopped(connection) is not wanted:
                act(connection, wish)
        return "no new canary begins" if wanted else "new canaries begin"

    def opt(self, wish: Wish) -> str:
        """Opted out, a listener is compared with nothing and held back from nothing: every track is the champion's.

        Raises:
            ValueError: no such listener.
        """
        ids = {"listener_id": wish.listener_id}
        with transaction(self._pool) as connection:
            if connection.execute(QUERIES["known_listener"], ids).fetchone() is None:
                raise ValueError(f"There is no listener {wish.listener_id}.")
            if wish.action == "opt_out":
                connection.execute(QUERIES["leave_canary"], ids)
            connection.execute(QUERIES[wish.action], ids)
            act(connection, wish)
        return f"{wish.action} recorded for {wish.listener_id}"

    def stopped(self) -> bool:
        """Whether an operator lets no new canary begin."""
        with transaction(self._pool) as connection:
            return self._stopped(connection)

    def actions(self) -> list[dict[str, Any]]:
        """What was done, the newest first, at most `MOST`."""
        return self._rows("actions", limit=MOST)

    def orders(self) -> dict[UUID, Wish]:
        """Orders that nobody answered, the oldest first."""
        return {row.pop("order_id"): Wish(**row) for row in self._rows("waiting_orders")}

    def answer(self, order_id: UUID, says: str, *, done: bool) -> None:
        """May be repeated; the first answer stays."""
        with transaction(self._pool) as connection:
            connection.execute(QUERIES["answer"], {"order_id": order_id, "done": done, "says": says})

    def decided(self, wish: Wish) -> bool:
        """Whether this very wish has ended its canary already."""
        row = {"release_id": wish.release_id, "verdict": wish.action, "reason": wish.reason, "by": wish.by}
        return bool(self._rows("decided", **row))

    def throw(self, listener_id: UUID | None, cohort: str | None, reason: str, by: str) -> UUID:
        """Switch learning off at once for a listener, a cohort such as `home=folk`, or (both None) everyone.

        Raises:
            ValueError: the cohort is not written as `attribute=value`, or there is no such listener, or none in it.
        """
        attribute, equals, value = (cohort or "").partition("=")
        if cohort is not None and not (attribute and equals and value):
            raise ValueError(f"A cohort is written as attribute=value, such as home=folk, not {cohort!r}.")
        switch_id = uuid7()
        row: dict[str, Any] = {"switch_id": switch_id, "listener_id": listener_id, "reason": reason, "by": by}
        with transaction(self._pool) as connection:
            known = connection.execute(QUERIES["known_listener"], {"listener_id": listener_id}).fetchone()
            if listener_id is not None and known is None:
                raise ValueError(f"There is no listener {listener_id}.")
            row |= {"attribute": attribute or None, "value": value or None}
            if cohort is not None and connection.execute(QUERIES["known_cohort"], row).fetchone() is None:
                raise ValueError(f"No listener is in the cohort {cohort}.")
            connection.execute(QUERIES["throw"], row)
            self._recorded(connection, "switch.thrown", switch_id, reason, by)
        return switch_id

    def lift(self, switch_id: UUID, reason: str, by: str) -> None:
        """Raises ValueError where no such switch is thrown."""
        with transaction(self._pool) as connection:
            row = {"switch_id": switch_id, "reason": reason, "by": by}
            if connection.execute(QUERIES["lift"], row).fetchone() is None:
                raise ValueError(f"No switch {switch_id} is thrown.")
            self._recorded(connection, "switch.lifted", switch_id, reason, by)

    def switches(self) -> list[dict[str, Any]]:
        """Those that are thrown, the newest first."""
        return self._rows("switches")

    def _stopped(self, connection: Any) -> bool:
        last = connection.execute(QUERIES["last_of_all"]).fetchone()
        return last is not None and last["action"] == "stop"

    @staticmethod
    def _recorded(connection: Any, deed: str, switch_id: UUID, reason: str, by: str) -> None:
        record(connection.execute, Actor("operator", by), deed, subject=str(switch_id), reason=reason)

    def _rows(self, name: str, **values: object) -> list[dict[str, Any]]:
        with transaction(self._pool) as connection:
            return connection.execute(QUERIES[name], values).fetchall()
