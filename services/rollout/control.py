"""One turn of the control loop: start canaries, look at running ones, carry out what was decided.

Safe to be killed anywhere: a decision is stored first, together with what listeners are served; then the registry's
aliases, the event and the release's status follow, each of which may be repeated. It computes no statistics.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean
from uuid import UUID

import structlog
from prometheus_client import Gauge

from schemas.events import Arm
from schemas.registry import CANDIDATE, CHAMPION, PREVIOUS, model_name
from services.errors import BackendAway
from services.postgres import Pool
from services.rollout import announce, metrics
from services.rollout.care import Care
from services.rollout.decide import COULD_NOT, Decision, decide, failed, information
from services.rollout.engine import Prefetch
from services.rollout.erasing import erase
from services.rollout.evidence import Evidence, Look
from services.rollout.guardrails import GUARDRAILS, guardrails
from services.rollout.lease import ENDS_TURN
from services.rollout.nearness import note
from services.rollout.operating import Operating
from services.rollout.perform import take_orders
from services.rollout.plan import Plan
from services.rollout.ramp import is_due
from services.rollout.registry import RefusedByRegistry, Registry, UnknownVersion
from services.rollout.retiring import retire
from services.rollout.self_tests import SelfTests
from services.rollout.store import Conflict, Member, Outcome, Running, Store, WaitingRound
from services.rollout.watching import Watching
from services.streams import Producer

log = structlog.get_logger()


@dataclass(slots=True)
class Control:
    """`announced` are the releases whose start this process has told Kafka; a restart tells it again."""

    pool: Pool
    store: Store
    registry: Registry
    producer: Producer
    prefetch: Prefetch
    plan: Plan
    care: Care
    watching: Watching
    self_tests: SelfTests
    announced: set[UUID] = field(default_factory=set)

    def turn(self) -> None:
        """Everything that can be done now.

        Raises:
            BackendAway: Postgres cannot be reached. Other backends that are away only put their own steps off.
        """
        operating = Operating(self.pool)
        take_orders(self.pool, self.registry)
        retire(self.pool, self.registry)
        erase(self.pool, self.registry)
        stopped = operating.stopped()
        if not stopped:
            self.start_canaries()
        metrics.STOPPED.set(stopped)
        metrics.SWITCHES.set(len(operating.switches()))
        unfinished = 0
        for running in self.store.running():
            try:
                unfinished += not self.advance(running)
            except BackendAway as error:
                if error.backend in ENDS_TURN:
                    raise
                unfinished += self.store.outcome(running.release_id) is not None
                metrics.AWAY.labels(error.backend).inc()
                log.warning("put_off", release_id=str(running.release_id), backend=error.backend, error=error.message)
            except Exception:
                # Whatever is wrong with one release, the others must not wait for it.
                metrics.FAILED.inc()
                log.exception("release_failed", release_id=str(running.release_id))
        metrics.UNFINISHED.set(unfinished + self.watching.turn())
        self.self_tests.turn()
        counts = self.store.releases_by_status()
        for status in ("canary", "promoted", "held", "rolled_back", "reverted"):
            metrics.RELEASES.labels(status).set(counts.get(status, 0))

    def start_canaries(self) -> None:
        """Open a release for each trained round whose listeners are free."""
        waiting = self.store.waiting_rounds()
        ready = startable(waiting, self.store.listeners_in_canaries())
        metrics.WAITING.set(len(waiting) - len(ready))
        for each in ready:
            try:
                release_id = self.store.open_release(each.round_id, self.plan, self.care)
            except Conflict:
                continue
            if release_id is not None:
                log.info("canary_started", release_id=str(release_id), listeners=len(each.listeners))
                self.prefetch(self.store.candidates(release_id))

    def advance(self, running: Running) -> bool:
        """Bring one release as far as it can be brought; False when a final decision was not carried out."""
        outcome = self.store.outcome(running.release_id) or (None if running.paused else self.look(running))
        if outcome is not None:
            self.carry_out(running, outcome)
        elif running.release_id not in self.announced:
            self.producer.send_all([announce.started(running)])
            self.announced.add(running.release_id)
        return True

    def look(self, running: Running) -> Outcome | None:
        """Decide if something is due, and store it; the outcome when that ends the release."""
        evidence, past = self.store.evidence(running.release_id), self.store.looks(running.release_id)
        decision = self.verdict(running, evidence, past)
        if decision is not None and self.store.record(running, decision, evidence, past):
            self.tell(running, decision)
        if decision is None or not (decision.final or decision.look == COULD_NOT):
            self.step_up(running, evidence)  # the guardrails were asked and said nothing
        return None if decision is None else self.store.outcome(running.release_id)

    @staticmethod
    def tell(running: Running, decision: Decision) -> None:
        """Count and log a decision that was stored."""
        metrics.DECISIONS.labels(decision.verdict).inc()
        log.info(
            "decided",
            release_id=str(running.release_id),
            look=decision.look,
            verdict=decision.verdict,
            final=decision.final,
            reason=decision.reason,
        )

    def step_up(self, running: Running, evidence: Evidence) -> None:
        """Let more members join, if it is time."""
        if running.joined >= running.listeners:
            return
        fraction = information(evidence, running.plan, running.age_s)
        if is_due(fraction, running.joined, running.listeners, running.step_age_s, running.care.ramp_s):
            reason = f"no guardrail says that the candidate is worse for the first {running.joined} listeners"
            if self.store.step_up(running, reason):
                log.info("stepped_up", release_id=str(running.release_id), reason=reason)

    def verdict(self, running: Running, evidence: Evidence, past: Sequence[Look]) -> Decision | None:
        """What `decide` says; where that fails a hold with its reason, final only when the canary's time is over.

        Raises:
            BackendAway: Postgres cannot be reached.
        """
        try:
            self._show(evidence, running)
            return decide(evidence, running.plan, past, running.age_s)
        except BackendAway:
            raise
        except Exception as error:
            metrics.FAILED.inc()
            log.exception("verdict_failed", release_id=str(running.release_id))
            return failed(error, past, final=running.is_old)

    def _show(self, evidence: Evidence, running: Running) -> None:
        metrics.INFORMATION.set(information(evidence, running.plan, running.age_s))
        ps = {each.name: max(each.p, each.weakest) for each in guardrails(evidence, running.plan)}
        note(self.pool, running.release_id, ps, running.plan.guardrail_alpha / GUARDRAILS)
        _show_difference(metrics.UPLIFT, evidence, "champion")
        _show_difference(metrics.LEARNED, evidence, "cold")

    def carry_out(self, running: Running, outcome: Outcome) -> None:
        """Aliases, event, status: in this order, all of it repeatable.

        Raises:
            BackendAway: some alias could not be moved now; all that could be were.
        """
        refused: RefusedByRegistry | None = None
        for member in self.store.members(running.release_id):
            try:
                move_aliases(self.registry, member, adopts=outcome.adopts(member))
            except UnknownVersion as error:
                # The listener was erased meanwhile; their release mates must not wait for that.
                log.warning("version_gone", listener_id=str(member.listener_id), error=error.message)
            except RefusedByRegistry as error:
                refused = error
        if refused is not None:
            raise refused
        self.producer.send_all([announce.decided(running, outcome)])
        self.store.finish(running.release_id, outcome)
        self.announced.discard(running.release_id)
        metrics.ended(running.release_id, outcome.verdict)
        log.info("carried_out", release_id=str(running.release_id), verdict=outcome.verdict)


def startable(waiting: Iterable[WaitingRound], busy: AbstractSet[UUID]) -> list[WaitingRound]:
    """The rounds that may start now. Rounds that share a listener go one after the other, the older first."""
    taken, ready = set(busy), []
    for each in waiting:
        if not each.listeners & taken:
            ready.append(each)
        taken |= each.listeners
    return ready


def move_aliases(registry: Registry, member: Member, *, adopts: bool) -> None:
    """Let the listener's aliases say what was decided; what is right already is left alone.

    The candidate alias goes only while it names this release's version: a newer round may have set it anew. An alias
    that cannot be moved does not keep the others.

    Raises:
        UnknownVersion: the registry has no such model.
        BackendAway: the registry cannot be reached, or some alias could not be moved now.
    """
    model = model_name(member.listener_id)
    now = registry.aliases(model)
    wanted = {PREVIOUS: member.champion_version, CHAMPION: member.candidate_version} if adopts else {}
    moves = [
        partial(registry.point, model, alias, version)
        for alias, version in wanted.items()
        if version is not None and now.get(alias) != version
    ]
    if now.get(CANDIDATE) == member.candidate_version:
        moves.append(partial(registry.drop, model, CANDIDATE))
    refused: RefusedByRegistry | None = None
    for move in moves:
        try:
            move()
        except UnknownVersion as error:
            # Pruned, such as the version before. The other aliases must not wait for what will never be.
            log.warning("alias_not_moved", listener_id=str(member.listener_id), error=error.message)
        except RefusedByRegistry as error:
            refused = error
    if refused is not None:
        raise refused


def _show_difference(gauge: Gauge, evidence: Evidence, baseline: Arm) -> None:
    differences = evidence.differences(baseline, "candidate")
    gauge.set(fmean(differences) if differences else float("nan"))
