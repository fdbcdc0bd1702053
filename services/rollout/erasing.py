"""Removes what rollout holds of erased listeners: where they took part, what they are served, their names in what was
decided, and the registry's aliases, so that nobody moves them again. Every step may be repeated."""

from pathlib import Path
from typing import Any, Final

import structlog

from schemas.registry import model_name
from services.audit import Actor, record
from services.errors import BackendAway
from services.postgres import Pool, load_queries, transaction
from services.rollout.registry import Registry, UnknownVersion

log = structlog.get_logger()

_QUERIES: Final = load_queries(Path(__file__).with_name("erasing.sql"))
_ACTOR: Final = Actor("process", "rollout")
_STEPS: Final = ("forget_members", "forget_served", "forget_actions", "forget_answers")


def erase(pool: Pool, registry: Registry) -> None:
    """Erase all that are due; one whose aliases cannot be dropped now is tried again by the next call.

    Raises:
        BackendAway: Postgres cannot be reached.
    """
    with transaction(pool) as connection:
        due = connection.execute(_QUERIES["due"]).fetchall()
    for row in due:
        if _unnamed(registry, row):
            _forget(pool, row)
            log.info("erased", erasure_id=str(row["erasure_id"]))


def _unnamed(registry: Registry, row: dict[str, Any]) -> bool:
    """Drops every alias of the listener's model; False where the registry cannot do it now."""
    model = model_name(row["listener_id"])
    try:
        for alias in registry.aliases(model):
            registry.drop(model, alias)
    except UnknownVersion:  # it has no such model, or none any more
        return True
    except BackendAway as error:
        log.warning("erasing_put_off", erasure_id=str(row["erasure_id"]), backend=error.backend, error=error.message)
        return False
    return True


def _forget(pool: Pool, row: dict[str, Any]) -> None:
    with transaction(pool) as connection:
        for name in _STEPS:
            connection.execute(_QUERIES[name], row)
        for each in connection.execute(_QUERIES["rename_in_decisions"], row).fetchall():
            digests = {"sha256_before": each["before"], "sha256": each["after"]}
            subject = str(each["decision_id"])
            record(connection.execute, _ACTOR, "decision.inputs_renamed", subject=subject, **digests)
        connection.execute(_QUERIES["confirm"], row)
