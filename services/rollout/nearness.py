"""How near a release's guardrails are to their bounds: for the gauges, and in Postgres for the room of operators."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.postgres import Pool, transaction
from services.rollout import metrics

_NOTE: Final = """
insert into rollout.guardrails as there (release_id, name, p, allowed)
select %(release_id)s, name, p, %(allowed)s from unnest(%(names)s::text[], %(ps)s::float8[]) as seen(name, p)
on conflict (release_id, name) do update set p = excluded.p, allowed = excluded.allowed, seen_at = now()
where (there.p, there.allowed) is distinct from (excluded.p, excluded.allowed)
"""


def note(pool: Pool, release_id: UUID, ps: Mapping[str, float], allowed: float) -> None:
    """Keeps what was read; what has not changed is not written.

    Args:
        ps: of each guardrail, the p-value that its bound is compared with.
        allowed: the largest that ends the release, 0 to 1.

    Raises:
        BackendAway: Postgres cannot be reached.
    """
    for name, p in ps.items():
        metrics.near(release_id, name, p, allowed)
    row = {"release_id": release_id, "names": list(ps), "ps": list(ps.values()), "allowed": allowed}
    with transaction(pool) as connection:
        connection.execute(_NOTE, row)
