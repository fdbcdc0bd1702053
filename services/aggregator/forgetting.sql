-- name: due
-- Those of whom nothing can get into a file any more.
select a.erasure_id, e.listener
from gateway.erasures e
join gateway.erasure_steps a on a.erasure_id = e.erasure_id and a.store = 'archives' and a.confirmed_at is null
join gateway.erasure_steps f on f.erasure_id = e.erasure_id and f.store = 'feedback' and f.confirmed_at is not null
where e.listener is not null
order by e.asked_at;

-- name: months
-- Also those that were never taken out: who tried and was killed may have left files.
select month from feedback.archives
union
select to_date(substr(c.relname, 8), 'YYYY_MM')
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'feedback.events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$'
order by month;

-- name: alone
-- Held to the transaction's end by whoever writes or removes files of months.
select pg_advisory_xact_lock(hashtextextended('encore.archives', 0));

-- name: parts
-- Where their term is over they are removed, not written anew.
select month, part, url, sha256, events from feedback.archives
where month = %(month)s and expired_at is null order by part;

-- name: rename
update feedback.archives set url = %(url)s, sha256 = %(sha256)s, events = %(events)s
where month = %(month)s and part = %(part)s;

-- name: confirm
update gateway.erasure_steps set confirmed_at = now()
where erasure_id = %(erasure_id)s and store = 'archives' and confirmed_at is null;
