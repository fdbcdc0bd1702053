-- name: add
-- Only under the next number of this writer: the same addition a second time finds the number used.
with mine as (
    insert into gateway.writers as w (writer, additions, closed_at)
    values (%(writer)s, %(number)s, case when %(closing)s then now() end)
    on conflict (writer) do update
    set additions = excluded.additions, seen_at = now(), closed_at = excluded.closed_at
    where w.additions = excluded.additions - 1
    returning 1
), added as (
    insert into gateway.acknowledged as a
        (topic, partition, hour, type, events, first_offset, last_offset)
    select n.*
    from unnest(%(topics)s::text[], %(partitions)s::int[], %(hours)s::timestamptz[], %(types)s::text[],
        %(events)s::bigint[], %(first)s::bigint[], %(last)s::bigint[]) as n, mine
    on conflict (topic, partition, hour, type) do update
    set events = a.events + excluded.events,
        first_offset = least(a.first_offset, excluded.first_offset),
        last_offset = greatest(a.last_offset, excluded.last_offset)
)
select count(*)::int as additions from mine;
