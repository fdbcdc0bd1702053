-- name: accounts
-- The rows of some hours: what was acknowledged, and what became of it.
select topic, partition, hour, type, acknowledged, folded, repeated, dead_lettered, erased, last_offset, counted
from feedback.books
where hour >= %(since)s and hour < %(until)s;

-- name: partitions
-- Where each partition stands, and everything that was ever counted in it.
select o.topic, o.partition, o.next_offset, o.counted_from, o.counted_to, o.uncounted,
       coalesce(sum(a.folded + a.repeated + a.dead_lettered + a.erased), 0)::bigint as counted
from feedback.offsets o
left join feedback.accounts a using (topic, partition)
group by o.topic, o.partition;

-- name: gaps
select topic, partition, first_offset, next_offset, reason
from feedback.gaps
where seen_at >= %(since)s and seen_at < %(until)s
order by seen_at;

-- name: unfinished
-- Gateways that ended without adding their last seconds, or that have not been heard of for a while.
select count(*)::int as writers
from gateway.writers
where closed_at is null and seen_at >= %(since)s and seen_at < least(%(until)s, now() - interval '10 minutes');
