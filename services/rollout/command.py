"""What a person decides of a release, or the rule in their name.

Each only stores the decision, and with it what listeners are served; the rollout process carries out the rest.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from schemas.api import Verdict
from services.rollout.decide import Decision, information
from services.rollout.shrink import keepers
from services.rollout.store import Store
from services.rollout.watches import InCanary, Watches

TRIES: Final = 5  # a canary may begin while another is being ended


def end(store: Store, release_id: UUID, verdict: Verdict, reason: str, by: str) -> str:
    """Store a person's decision, final at once; a promotion still leaves the clearly worse off on their champion.

    Raises:
        ValueError: no such canary is running.
        BackendAway: Postgres cannot be reached.
    """
    running = next((each for each in store.running() if each.release_id == release_id), None)
    if running is None:
        raise ValueError(f"No canary with the release id {release_id} is running.")
    evidence, past = store.evidence(release_id), store.looks(release_id)
    fraction = past[-1].fraction if past else 0.0
    with contextlib.suppress(ValueError):  # a plan that this version cannot read keeps nobody from ending its canary
        fraction = information(evidence, running.plan, running.age_s)
    keeps, false_keeps = keepers(evidence, running.plan) if verdict == "promote" else ((), 0.0)
    decision = Decision(
        verdict=verdict,
        look=past[-1].number + 1 if past else 1,
        final=True,
        reason=reason,
        fraction=fraction,
        spent=past[-1].spent if past else 0.0,
        keeps=keeps,
        false_keeps=false_keeps,
    )
    if not store.record(running, decision, evidence, past, by=by):
        raise ValueError(f"The canary {release_id} has just been decided.")
    return f"{verdict} recorded for {release_id}"


def revert(
    store: Store,
    watches: Watches,
    release_id: UUID,
    reason: str,
    by: str,
    inputs: Mapping[str, Any] | None = None,
) -> str:
    """Let a promoted release's listeners hear what they heard before. A canary that compares with what goes is held
    first: its champion would change under it.

    Raises:
        ValueError: no such release, or it is not promoted, or canaries begin faster than they can be ended.
        BackendAway: Postgres cannot be reached.
    """
    for _ in range(TRIES):
        try:
            listeners = watches.revert(release_id, reason, {**(inputs or {}), "by": by})
        except InCanary as busy:
            for canary in busy.releases:
                _hold(store, canary, f"its champion goes back with the release {release_id}: {reason}", by)
        else:
            return f"revert recorded for {release_id}: {listeners} listeners go back"
    raise ValueError(f"The listeners of {release_id} join one canary after another; stop new canaries first.")


def _hold(store: Store, release_id: UUID, reason: str, by: str) -> None:
    try:
        end(store, release_id, "hold", reason, by)
    except ValueError:
        return  # over by itself
