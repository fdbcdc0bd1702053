"""Takes from listeners the versions that learned from a song which they took back.

No track is planned with such a version from the moment of the withdrawal on; here what listeners are served and the
registry's aliases follow. Every step may be repeated.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from schemas.registry import model_name
from services.audit import Actor, record
from services.errors import BackendAway
from services.postgres import Pool, load_queries, transaction
from services.rollout import metrics
from services.rollout.registry import Registry, UnknownVersion

log = structlog.get_logger()

_QUERIES: Final = load_queries(Path(__file__).with_name("retiring.sql"))
_ACTOR: Final = Actor("process", "rollout")


def retire(pool: Pool, registry: Registry) -> None:
    """Retire all that are due; one whose aliases cannot be moved now is tried again by the next call.

    Raises:
        BackendAway: Postgres cannot be reached.
    """
    with transaction(pool) as connection:
        due = connection.execute(_QUERIES["retired"]).fetchall()
    for row in due:
        listener_id, versions = row["listener_id"], row["versions"]
        if _unnamed(registry, listener_id, versions):
            _unserved(pool, listener_id, versions)
            metrics.RETIRED.inc(len(versions))
            log.info("retired", listener_id=str(listener_id), versions=versions)


def _unnamed(registry: Registry, listener_id: UUID, versions: Sequence[int]) -> bool:
    """Drops the aliases that name one of the versions; False where the registry cannot do it now."""
    model = model_name(listener_id)
    try:
        for alias, version in registry.aliases(model).items():
            if version in versions:
                registry.drop(model, alias)
    except UnknownVersion:  # the registry has forgotten the model already
        return True
    except BackendAway as error:
        log.warning("retiring_put_off", listener_id=str(listener_id), backend=error.backend, error=error.message)
        return False
    return True


def _unserved(pool: Pool, listener_id: UUID, versions: Sequence[int]) -> None:
    row = {"listener_id": listener_id, "versions": list(versions)}
    with transaction(pool) as connection:
        connection.execute(_QUERIES["leave_canary"], row)
        connection.execute(_QUERIES["retire"], row)
        record(connection.execute, _ACTOR, "version.retired", subject=str(listener_id), versions=list(versions))
