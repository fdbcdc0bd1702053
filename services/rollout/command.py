"""An operator's own decision on a running canary: `python -m services.rollout.command promote RELEASE --reason WHY`.

It only stores the decision, and with it what listeners are served; the rollout process carries out the rest.
"""

import argparse
import sys
from uuid import UUID

from schemas.api import Verdict
from services.errors import BackendAway
from services.postgres import open_pool
from services.rollout.decide import Decision, information, keeps_champion
from services.rollout.store import Store
from services.settings import Settings, read


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m services.rollout.command", description="End a running canary.")
    parser.add_argument("verdict", choices=["promote", "hold", "roll_back"])
    parser.add_argument("release", type=UUID, help="the release id")
    parser.add_argument("--reason", required=True, help="stored with the decision")
    chosen = parser.parse_args(arguments)
    settings = read(Settings)
    try:
        with open_pool(settings.postgres_dsn) as pool:
            sentence = end(Store(pool), chosen.release, chosen.verdict, chosen.reason)
    except (BackendAway, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    sys.stdout.write(sentence + "\n")


def end(store: Store, release_id: UUID, verdict: Verdict, reason: str) -> str:
    """Store a person's decision, final at once; a promotion still leaves the clearly worse off on their champion.

    Raises:
        ValueError: no such canary is running.
        BackendAway: Postgres cannot be reached.
    """
    running = next((each for each in store.running() if each.release_id == release_id), None)
    if running is None:
        raise ValueError(f"No canary with the release id {release_id} is running.")
    evidence, past = store.evidence(release_id), store.looks(release_id)
    keeps = tuple(each.listener_id for each in evidence.listeners if keeps_champion(each))
    decision = Decision(
        verdict=verdict,
        look=past[-1].number + 1 if past else 1,
        final=True,
        reason=reason,
        fraction=information(evidence, running.plan, running.age_s),
        spent=past[-1].spent if past else 0.0,
        keeps=keeps if verdict == "promote" else (),
    )
    if not store.record(running, decision, evidence, past, by="operator"):
        raise ValueError(f"The canary {release_id} has just been decided.")
    return f"{verdict} recorded for {release_id}"


if __name__ == "__main__":
    main()
