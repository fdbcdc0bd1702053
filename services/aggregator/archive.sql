-- name: months
-- Months that have a table of their own and were not taken out, the oldest first.
select to_date(substr(c.relname, 8), 'YYYY_MM') as month
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'feedback.events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$'
  and to_date(substr(c.relname, 8), 'YYYY_MM') not in (select month from feedback.archives)
  and to_date(substr(c.relname, 8), 'YYYY_MM') < %(before)s
order by month;

-- name: alone
-- Held to the transaction's end by whoever writes or removes files of months; before the next, which others wait for.
select pg_advisory_xact_lock(hashtextextended('encore.archives', 0));

-- name: share
-- Nobody is erased meanwhile: whoever is has gone from the month, or is found in its files.
select gateway.share_erasures();

-- name: hold
select feedback.hold_month(%(month)s);

-- name: rows
select source, id, type, listener_id, time, data, topic, partition, "offset", folded_at, received_at, sha256
from feedback.events
where id >= feedback.first_id(%(month)s) and id < feedback.first_id((%(month)s::date + interval '1 month')::date)
order by id, source;

-- name: add_part
insert into feedback.archives (month, part, url, sha256, events) values (%(month)s, %(part)s, %(url)s, %(sha256)s, %(events)s);

-- name: take_out
select feedback.archive_month(%(month)s);

-- name: parts
select month, part, url, sha256, events from feedback.archives order by month, part;

-- name: expire
update feedback.archives set expired_at = now() where month < %(before)s and expired_at is null;

-- name: unerased
select month, part, url from feedback.archives where expired_at is not null and erased_at is null order by month, part;

-- name: erased
update feedback.archives set erased_at = now() where month = %(month)s and part = %(part)s and erased_at is null;

-- name: expired
select distinct month from feedback.archives where expired_at is not null order by month;
