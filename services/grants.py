"""Who may write which table. `services.migrate` grants exactly this after every migration; everything else is refused.

The database's owner runs migrations and nothing else. Each process logs in as a member of its role below. A new table
gets a line in `WRITERS`; a process that reads another's schema gets a word in `READS`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import sql

GATEWAY: Final = "encore_gateway"
AGGREGATOR: Final = "encore_aggregator"
ROLLOUT: Final = "encore_rollout"
FACTORY: Final = "encore_factory"
PROCESSES: Final = (GATEWAY, AGGREGATOR, ROLLOUT, FACTORY)
CONFINED: Final = "encore_request"
"""What the gateway takes on for a listener's request (`schemas/walls.sql`)."""

WRITERS: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway.acknowledged": (GATEWAY,),
    "gateway.budgets": (GATEWAY,),
    "gateway.cold_starts": (GATEWAY,),
    "gateway.consents": (GATEWAY,),
    "gateway.erasure_files": (GATEWAY,),
    "gateway.erasure_steps": (GATEWAY, AGGREGATOR, ROLLOUT, FACTORY),  # each confirms those of its stores
    "gateway.erasures": (GATEWAY,),
    "gateway.fours": (GATEWAY,),
    "gateway.listeners": (GATEWAY,),
    "gateway.log_keys": (GATEWAY,),
    "gateway.logins": (GATEWAY,),
    "gateway.orders": (GATEWAY,),
    "gateway.pairs": (GATEWAY,),
    "gateway.playing": (GATEWAY,),
    "gateway.refusals": (GATEWAY,),
    "gateway.round_requests": (GATEWAY,),
    "gateway.songs": (GATEWAY,),
    "gateway.switches": (GATEWAY, ROLLOUT),  # a guardrail of rollout may pull one
    "gateway.taste_corrections": (GATEWAY,),
    "gateway.thrown_logs": (GATEWAY,),
    "gateway.tracks": (GATEWAY,),
    "gateway.withdrawn_songs": (GATEWAY,),
    "gateway.writers": (GATEWAY,),
    "feedback.accounts": (AGGREGATOR,),
    "feedback.archives": (AGGREGATOR,),
    "feedback.awaited": (AGGREGATOR,),
    "feedback.cell_refreshes": (AGGREGATOR,),
    "feedback.cells": (AGGREGATOR,),
    "feedback.conflicts": (AGGREGATOR,),
    "feedback.counts": (AGGREGATOR,),
    "feedback.dead_letters": (AGGREGATOR,),
    "feedback.events": (AGGREGATOR,),
    "feedback.gaps": (AGGREGATOR,),
    "feedback.offsets": (AGGREGATOR,),
    "feedback.pair_votes": (AGGREGATOR,),
    "feedback.picks": (AGGREGATOR,),
    "feedback.plays": (AGGREGATOR,),
    "feedback.rating_sums": (AGGREGATOR,),
    "feedback.ratings": (AGGREGATOR,),
    "feedback.rollup_changes": (AGGREGATOR,),
    "feedback.rollups": (AGGREGATOR,),
    "feedback.track_failures": (AGGREGATOR,),
    "feedback.tracks": (AGGREGATOR,),
    "feedback.vote_rollups": (AGGREGATOR,),
    "archived.pair_votes": (AGGREGATOR,),
    "archived.picks": (AGGREGATOR,),
    "archived.plays": (AGGREGATOR,),
    "archived.ratings": (AGGREGATOR,),
    "archived.track_failures": (AGGREGATOR,),
    "archived.tracks": (AGGREGATOR,),
    "training.adapters": (FACTORY,),
    "training.fulfilled": (FACTORY,),
    "training.progress": (FACTORY,),
    "training.rounds": (FACTORY,),
    "training.troubles": (FACTORY,),
    "rollout.actions": (ROLLOUT,),
    "rollout.answers": (ROLLOUT,),
    "rollout.decisions": (ROLLOUT,),
    "rollout.guardrails": (ROLLOUT,),
    "rollout.leases": (ROLLOUT,),
    "rollout.listener_models": (ROLLOUT,),
    "rollout.members": (ROLLOUT,),
    "rollout.releases": (ROLLOUT,),
    "rollout.self_tests": (ROLLOUT,),
    "analytics.metrics": (),  # migrations fill these two; the owner sets the policy
    "analytics.policy": (),
    "secrets.pseudonyms": (),  # migrations make the keys of these two
    "secrets.tombstones": (),
    "audit.entries": (GATEWAY, AGGREGATOR, ROLLOUT),
}

READS: Final[Mapping[str, tuple[str, ...]]] = {
    GATEWAY: ("gateway", "feedback", "training", "rollout", "analytics", "audit"),
    AGGREGATOR: ("gateway", "feedback", "archived", "rollout", "analytics"),
    ROLLOUT: ("gateway", "feedback", "training", "rollout", "analytics"),
    FACTORY: ("gateway", "feedback", "training", "rollout"),
}

# What only its writers and these read, though its schema is open: one-time logins, and keys of the log.
CLOSED: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway.logins": (),
    "gateway.log_keys": (AGGREGATOR,),
    "gateway.thrown_logs": (AGGREGATOR,),
}
# Only added to, never changed.
APPENDED: Final = ("audit.entries",)
# Work with their owner's right: make and drop the tables of months, and write another name for an id in the audit.
_FUNCTIONS: Final[Mapping[LiteralString, str]] = {
    "feedback.add_month(date)": AGGREGATOR,
    "feedback.hold_month(date)": AGGREGATOR,
    "feedback.archive_month(date)": AGGREGATOR,
    "audit.forget(uuid[])": GATEWAY,
}


class Grant(NamedTuple):
    """One right of one role on one table, as `information_schema.role_table_grants` says it."""

    role: str
    table: str
    right: str


def writes() -> set[Grant]:
    """Every right to write that is declared."""
    return {
        Grant(role, table, right)
        for table, roles in WRITERS.items()
        for role in roles
        for right in (("INSERT",) if table in APPENDED else ("INSERT", "UPDATE", "DELETE"))
    }


def apply(connection: Any) -> None:
    """Make the roles and leave each with exactly what is declared, within the caller's transaction.

    Raises:
        psycopg.errors.UndefinedTable: a declared table is not there.
    """
    for statement in _statements():
        connection.execute(statement)


def _statements() -> Iterator[sql.Composed | sql.SQL]:
    for role in PROCESSES:
        yield sql.SQL(_MAKE).format(name=sql.Literal(role))
        for schema in sorted({table.split(".")[0] for table in WRITERS}):
            yield sql.SQL("revoke all on all tables in schema {} from {}").format(*_named(schema, role))
        for schema in READS[role]:
            yield sql.SQL("grant usage on schema {} to {}").format(*_named(schema, role))
            yield sql.SQL("grant select on all tables in schema {} to {}").format(*_named(schema, role))
        yield sql.SQL("grant usage on schema audit to {}").format(sql.Identifier(role))
        for table, readers in CLOSED.items():
            if role not in (*WRITERS[table], *readers):
                yield sql.SQL("revoke select on {} from {}").format(*_named(table, role))
    for grant in sorted(writes()):
        yield sql.SQL("grant {} on {} to {}").format(sql.SQL(_RIGHTS[grant.right]), *_named(grant.table, grant.role))
    # Taken on by name, not inherited: outside a request the wall does not apply to the gateway.
    yield sql.SQL(_JOIN).format(group=sql.Literal(CONFINED), role=sql.Literal(GATEWAY))
    for function, role in _FUNCTIONS.items():
        yield sql.SQL("revoke execute on function {} from public").format(sql.SQL(function))
        yield sql.SQL("grant execute on function {} to {}").format(sql.SQL(function), sql.Identifier(role))


_RIGHTS: Final[Mapping[str, LiteralString]] = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}
_MAKE: Final = """
do $$
begin
    if not exists (select from pg_roles where rolname = {name}) then
        execute format('create role %I nologin noinherit', {name});
    end if;
exception
    when duplicate_object or unique_violation then null;  -- another database of this server was quicker
    when insufficient_privilege then
        raise exception 'no right to make the role %', {name}
            using hint = format('as an administrator: create role %I nologin noinherit;', {name});
end
$$
"""

_JOIN: Final = """
do $$
begin
    if not pg_has_role({role}, {group}, 'member') then
        execute format('grant %I to %I', {group}, {role});
    end if;
exception
    when unique_violation then null;  -- another database of this server was quicker
end
$$
"""


def _named(*names: str) -> tuple[sql.Identifier, ...]:
    return tuple(sql.Identifier(*name.split(".")) for name in names)
