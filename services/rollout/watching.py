"""After a promotion: look whether the champion is worse than what was before, confirm it or go back.

As in `control` a decision is stored first, together with what listeners are served; aliases, event and status follow,
each of which may be repeated.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import structlog

from schemas.registry import CHAMPION, PREVIOUS, model_name
from services.errors import BackendAway
from services.rollout import announce, metrics
from services.rollout.command import revert
from services.rollout.lease import ENDS_TURN
from services.rollout.nearness import note
from services.rollout.registry import RefusedByRegistry, Registry, UnknownVersion
from services.rollout.store import Store
from services.rollout.watches import Hears, Reverting, Watch, Watches, seen
from services.rollout.way_back import COMPARED, Person, comparisons, gained, worse
from services.streams import Producer

log = structlog.get_logger()


@dataclass(slots=True)
class Watching:
    """`every_s`: seconds between two looks at the same release."""

    store: Store
    watches: Watches
    registry: Registry
    producer: Producer
    every_s: float = 60.0
    looked: dict[UUID, float] = field(default_factory=dict)

    def turn(self) -> int:
        """Everything that can be done now; answers how many decisions wait for a backend.

        Raises:
            BackendAway: Postgres cannot be reached.
        """
        for watch in self.watches.watched():
            try:
                self._look(watch)
            except BackendAway:
                raise
            except Exception:
                # Whatever is wrong with one release, the others must not wait for it.
                metrics.FAILED.inc()
                log.exception("watch_failed", release_id=str(watch.release_id))
        unfinished = 0
        for reverting in self.watches.reverting():
            try:
                self._carry_out(reverting)
            except BackendAway as error:
                if error.backend in ENDS_TURN:
                    raise
                unfinished += 1
                metrics.AWAY.labels(error.backend).inc()
                log.warning("put_off", release_id=str(reverting.release_id), backend=error.backend, error=error.message)
        return unfinished

    def _look(self, watch: Watch) -> None:
        over = watch.age_s >= watch.care.watch_s
        if not over and time.monotonic() < self.looked.get(watch.release_id, 0.0):
            return
        self.looked[watch.release_id] = time.monotonic() + self.every_s
        people = self.watches.people(watch)
        found = worse(people, watch.care.held_back, watch.plan.guardrail_alpha, watch.plan.minimum_listeners)
        inputs = _inputs(watch, people)
        note(self.watches.pool, watch.release_id, inputs["guardrails"], inputs["allowed"])
        if found is not None:
            allowed = watch.plan.guardrail_alpha / COMPARED
            reason = f"{found.detail} (p {found.p:.2g} at any time, without any one listener, allowed {allowed:.2g})"
            revert(self.store, self.watches, watch.release_id, reason, "rollout", inputs)
            log.info("reverted", release_id=str(watch.release_id), reason=reason)
        elif over:
            reason = (
                f"after {watch.age_s / 86_400:.1f} days nothing shows the champion to be worse than what was before"
            )
            self.watches.confirm(watch.release_id, reason, inputs)
            metrics.ended(watch.release_id, "confirm")
            log.info("confirmed", release_id=str(watch.release_id))
        else:
            return
        metrics.DECISIONS.labels("revert" if found else "confirm").inc()
        self.looked.pop(watch.release_id)

    def _carry_out(self, reverting: Reverting) -> None:
        refused: RefusedByRegistry | None = None
        for hears in self.watches.served(reverting.release_id):
            try:
                match_aliases(self.registry, hears)
            except UnknownVersion as error:
                log.warning("version_gone", listener_id=str(hears.listener_id), error=error.message)
            except RefusedByRegistry as error:
                refused = error
        if refused is not None:
            raise refused
        self.producer.send_all([announce.reverted(reverting)])
        self.watches.finish(reverting.release_id)
        metrics.ended(reverting.release_id, "revert")
        log.info("carried_out", release_id=str(reverting.release_id), verdict="revert")


def match_aliases(registry: Registry, hears: Hears) -> None:
    """Let the listener's aliases say what they are served; what is right already is left alone.

    Raises:
        UnknownVersion: the registry has no such model or version.
        BackendAway: the registry cannot be reached.
    """
    model = model_name(hears.listener_id)
    now = registry.aliases(model)
    for alias, version in ((CHAMPION, hears.champion_version), (PREVIOUS, hears.previous_version)):
        if version is None and alias in now:
            registry.drop(model, alias)
        elif version is not None and now.get(alias) != version:
            registry.point(model, alias, version)


def _inputs(watch: Watch, people: tuple[Person, ...]) -> Mapping[str, Any]:
    plan, interval = watch.plan, gained(people)
    each = comparisons(people, watch.care.held_back, plan.minimum_listeners)
    return {
        "by": "rollout",
        "age_s": watch.age_s,
        "care": watch.care.model_dump(mode="json"),
        "allowed": plan.guardrail_alpha / COMPARED,
        "minimum_listeners": plan.minimum_listeners,
        "guardrails": {one.name: one.p for one in each},
        "uplift": {"champion - previous": None if interval is None else asdict(interval)},
        "evidence": seen(people),
    }
