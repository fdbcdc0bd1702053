-- name: add_offsets
insert into feedback.offsets (topic, partition, next_offset, sealed_from, sealed_to)
select *, 0, 0, 0 from unnest(%(topics)s::text[], %(partitions)s::int[])
on conflict do nothing;

-- name: offsets
-- Locked until they are set: an owner of before is either done or will find that they have moved.
select o.topic, o.partition, o.next_offset, o.topic_id, o.leader_epoch
from feedback.offsets o
join unnest(%(topics)s::text[], %(partitions)s::int[]) as wanted (topic, partition) using (topic, partition)
order by o.topic, o.partition
for update of o;

-- name: set_offsets
-- Where the offset was moved by whoever does not count, counting begins anew; else what is passed over is left uncounted.
update feedback.offsets o
set next_offset = s.next_offset, topic_id = coalesce(nullif(s.topic_id, ''), o.topic_id),
    leader_epoch = nullif(s.epoch, -1),
    sealed_from  = case when s.next_offset = o.next_offset and o.sealed_to = o.next_offset
                        then o.sealed_from else s.next_offset end,
    plain_at     = case when s.next_offset = o.next_offset and o.sealed_to = o.next_offset then o.plain_at else now() end,
    sealed_to    = s.next_offset,
    counted_to   = s.next_offset,
    counted_from = case when o.counted_to = o.next_offset then o.counted_from
                        else least(o.next_offset, s.next_offset) end,
    uncounted    = case when o.counted_to = o.next_offset then o.uncounted + s.next_offset - o.next_offset
                        else s.next_offset - (select coalesce(sum(a.folded + a.repeated + a.dead_lettered + a.erased), 0)
                                              from feedback.accounts a
                                              where a.topic = o.topic and a.partition = o.partition) end
from unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[], %(ids)s::text[], %(epochs)s::int[])
    as s (topic, partition, next_offset, topic_id, epoch)
where o.topic = s.topic and o.partition = s.partition;

-- name: add_gaps
insert into feedback.gaps (topic, partition, first_offset, next_offset, reason)
select * from unnest(%(topics)s::text[], %(partitions)s::int[], %(first)s::bigint[], %(next)s::bigint[],
    %(reasons)s::text[]);

-- name: advance_offsets
-- A row that is not where this consumer believes it to be has another owner; it is left, and the count tells.
update feedback.offsets o
set next_offset = r.reached, leader_epoch = nullif(r.epoch, -1), counted_to = r.reached,
    uncounted = o.uncounted + r.reached - r.expected - r.messages,
    sealed_to = r.reached,
    sealed_from = case when r.plain > 0 then r.plain when o.sealed_to = o.next_offset then o.sealed_from
                       else o.next_offset end,
    plain_at = case when r.plain > 0 or o.sealed_to is distinct from o.next_offset then now() else o.plain_at end
from unnest(%(topics)s::text[], %(partitions)s::int[], %(expected)s::bigint[], %(reached)s::bigint[],
    %(epochs)s::int[], %(messages)s::bigint[], %(plain)s::bigint[])
    as r (topic, partition, expected, reached, epoch, messages, plain)
where o.topic = r.topic and o.partition = r.partition and o.next_offset = r.expected;

-- name: add_accounts
insert into feedback.accounts as a (topic, partition, hour, type, folded, repeated, dead_lettered, erased)
select *
from unnest(%(topics)s::text[], %(partitions)s::int[], %(hours)s::timestamptz[], %(types)s::text[],
    %(folded)s::bigint[], %(repeated)s::bigint[], %(dead)s::bigint[], %(erased)s::bigint[])
on conflict (topic, partition, hour, type) do update
set folded = a.folded + excluded.folded, repeated = a.repeated + excluded.repeated,
    dead_lettered = a.dead_lettered + excluded.dead_lettered, erased = a.erased + excluded.erased;

-- name: unaccounted
-- By topic: events that were acknowledged, and passed without a trace; and offsets that moved without being counted.
with lost as (
    select topic, sum(greatest(0, acknowledged - folded - repeated - dead_lettered - erased))::bigint as events
    from feedback.books where passed and hour >= now() - interval '2 days' group by topic
), counted as (
    select topic, partition, sum(folded + repeated + dead_lettered + erased) as events
    from feedback.accounts group by topic, partition
), moved as (
    select topic, sum(abs(o.next_offset - o.uncounted - coalesce(c.events, 0)))::bigint as events
    from feedback.offsets o left join counted c using (topic, partition)
    where o.counted_to = o.next_offset group by topic
)
select topic, coalesce(lost.events, 0) as lost, coalesce(moved.events, 0) as uncounted
from lost full join moved using (topic);

-- name: make_incoming
-- One row for each identity of a batch.
create temporary table if not exists incoming (
    source      text,
    id          uuid,
    type        text,
    listener_id uuid,
    time        timestamptz,
    data        jsonb,
    topic       text,
    partition   int,
    "offset"    bigint,
    received_at timestamptz,
    sha256      bytea
) on commit delete rows;

-- name: known_months
select month from unnest(%(months)s::date[]) as m (month)
where to_regclass('feedback.' || feedback.month_table(month)) is not null;

-- name: add_months
select feedback.add_month(month) from unnest(%(months)s::date[]) as m (month) order by month;

-- name: copy_incoming
copy incoming from stdin (format binary);

-- name: forget_incoming
-- Else they go at the end of the transaction.
delete from incoming;

-- name: keep_new
-- In one order for all writers, so that two of them cannot wait for one another. Answers those that were there before,
-- which are few.
with new as (
    insert into feedback.events
        (source, id, type, listener_id, time, data, topic, partition, "offset", received_at, sha256)
    select * from incoming order by id, source
    on conflict (source, id) do nothing
    returning source, id
)
select source, id from incoming except select source, id from new;

-- name: contested
-- What is stored under the same identity, where it says something else or came later.
select e.source, e.id, e.type, e.listener_id, e.time, e.received_at, e.sha256, e.data
from incoming i
join feedback.events e using (source, id)
where e.sha256 is distinct from i.sha256 or (i.received_at, i.time) < (e.received_at, e.time)
order by e.source, e.id
for update of e;

-- name: replace
update feedback.events e
set type = i.type, listener_id = i.listener_id, time = i.time, data = i.data, topic = i.topic, partition = i.partition, "offset" = i."offset",
    received_at = i.received_at, sha256 = i.sha256
from incoming i
join unnest(%(sources)s::text[], %(ids)s::uuid[]) as given (source, id) using (source, id)
where e.source = i.source and e.id = i.id;

-- name: same_id_elsewhere
-- Among listeners: an identity of Encore's own is one whoever the event is about. Each id is looked up by itself: as
-- joins, for which the server knows nothing of the batch, this was planned as one walk over all events for each of it.
select distinct e.source, e.id, e.listener_id
from incoming i
cross join lateral (
    select source, id, listener_id, bool_or(listener_id <> i.listener_id) over () as shared
    from feedback.events
    where id = i.id and source like 'listeners/%'
) e
where i.source like 'listeners/%' and e.shared;

-- name: add_conflicts
with added as (
    insert into feedback.conflicts (source, id, listener_id, kind, sha256, type, data)
    select source, id, listener_id, kind, sha256, type, data::jsonb
    from unnest(%(sources)s::text[], %(ids)s::uuid[], %(listeners)s::uuid[], %(kinds)s::text[],
        %(digests)s::bytea[], %(types)s::text[], %(datas)s::text[])
        as n (source, id, listener_id, kind, sha256, type, data)
    on conflict do nothing
    returning kind
)
select kind, count(*)::int as recorded from added group by kind;

-- name: take_turns
-- Held to the transaction's end, in the order of the numbers.
select pg_advisory_xact_lock(hashtextextended('encore.feedback ' || partition, 0))
from unnest(%(partitions)s::int[]) as partition;

-- name: hold_facts
select feedback.hold_facts();

-- name: hold_facts_of_known
-- A track that is made again is rolled up again, for which nobody else may write feedback.
select feedback.hold_facts() where exists (select from feedback.tracks where track_id = any(%(tracks)s::uuid[]));

-- name: take_away
with keys as (
    select * from unnest(%(listeners)s::uuid[], %(abouts)s::uuid[]) as k (listener_id, about)
), plays as (
    delete from feedback.plays p using keys k where p.listener_id = k.listener_id and p.track_id = k.about
), ratings as (
    delete from feedback.ratings r using keys k where r.listener_id = k.listener_id and r.track_id = k.about
), votes as (
    delete from feedback.pair_votes v using keys k where v.pair_id = k.about
), picks as (
    delete from feedback.picks p using keys k where p.four_id = k.about
), tracks as (
    delete from feedback.tracks t using keys k where t.track_id = k.about
)
delete from feedback.track_failures f using keys k where f.track_id = k.about;

-- name: bring_back_tracks
insert into feedback.tracks select t.* from archived.tracks t where t.track_id = any(%(abouts)s::uuid[]) on conflict do nothing;

-- name: bring_back_failures
insert into feedback.track_failures
select f.* from archived.track_failures f where f.track_id = any(%(abouts)s::uuid[]) on conflict do nothing;

-- name: bring_back_plays
insert into feedback.plays
select p.* from archived.plays p
join unnest(%(listeners)s::uuid[], %(abouts)s::uuid[]) as k (listener_id, about)
  on p.listener_id = k.listener_id and p.track_id = k.about
on conflict do nothing;

-- name: bring_back_ratings
insert into feedback.ratings
select r.* from archived.ratings r
join unnest(%(listeners)s::uuid[], %(abouts)s::uuid[]) as k (listener_id, about)
  on r.listener_id = k.listener_id and r.track_id = k.about
on conflict do nothing;

-- name: bring_back_votes
insert into feedback.pair_votes
select v.* from archived.pair_votes v where v.pair_id = any(%(abouts)s::uuid[]) on conflict do nothing;

-- name: bring_back_picks
insert into feedback.picks
select p.* from archived.picks p where p.four_id = any(%(abouts)s::uuid[]) on conflict do nothing;

-- name: events_about
select source, id, type, listener_id, time, received_at, data
from feedback.events
where about = any(%(abouts)s::uuid[])
   or (type = 'encore.four.picked' and (data ->> 'four_id')::uuid = any(%(abouts)s::uuid[]));

-- name: add_dead_letters
insert into feedback.dead_letters (topic, partition, "offset", key, value, reason, logged_at, type)
select *
from unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[], %(keys)s::bytea[], %(values)s::bytea[],
    %(reasons)s::text[], %(times)s::timestamptz[], %(types)s::text[])
on conflict do nothing;
