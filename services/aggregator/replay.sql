-- name: positions
select topic, partition, next_offset from feedback.offsets where next_offset > 0;

-- name: unfolded
select topic, partition, "offset", reason from feedback.dead_letters where settled_at is null or outcome = 'dropped';

-- name: empty
select not exists (select from feedback.events) and not exists (select from feedback.offsets where next_offset > 0) as empty;

-- name: take_over
-- The positions of the replayed database: whoever reads on with it begins there, and counts from there.
insert into feedback.offsets (topic, partition, next_offset, topic_id, leader_epoch, counted_from, counted_to, uncounted,
                              sealed_from, sealed_to, plain_at)
select topic, partition, next_offset, nullif(topic_id, ''), null, next_offset, next_offset, next_offset,
       plain, next_offset, case when plain > 0 then now() end
from unnest(%(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[], %(ids)s::text[], %(plain)s::bigint[])
    as p (topic, partition, next_offset, topic_id, plain)
on conflict (topic, partition) do nothing;

-- name: digests
-- What each table says, whatever the order of its rows; without the clock of whoever wrote it, and without events of
-- archived months, which only one of two databases may still have.
with said (name, row) as (
    select 'plays', p::text from feedback.plays p
    union all select 'ratings', r::text from feedback.ratings r
    union all select 'pair_votes', v::text from feedback.pair_votes v
    union all select 'picks', p::text from feedback.picks p
    union all select 'tracks', t::text from feedback.tracks t
    union all select 'track_failures', f::text from feedback.track_failures f
    union all select 'rollups', u::text from feedback.rollups u
    union all select 'conflicts', (c.source, c.id, c.listener_id, c.kind, c.sha256, c.type, c.data)::text from feedback.conflicts c
    union all select 'events', (e.source, e.id, e.type, e.listener_id, e.time, e.data, e.received_at, e.sha256)::text
    from feedback.events e
    where not exists (
        select from unnest(%(months)s::date[]) as m (month)
        where e.id >= feedback.first_id(m.month) and e.id < feedback.first_id((m.month + interval '1 month')::date))
)
select name, count(*)::bigint as rows, sum(hashtextextended(row, 0)::numeric)::text as digest from said group by name;
