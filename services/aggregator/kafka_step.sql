-- name: due
-- Once no process can remember a key that went with the erasure.
select s.erasure_id, s.made_at
from gateway.erasure_steps s join gateway.erasures e using (erasure_id)
where s.store = 'kafka' and s.confirmed_at is null and e.asked_at < now() - make_interval(secs => %(age)s)
order by e.asked_at;

-- name: standings
select topic, partition, sealed_from, sealed_to, coalesce(plain_at, now()) as plain_at from feedback.offsets where sealed_to is not null;

-- name: confirm
update gateway.erasure_steps set confirmed_at = now(), waits_for = null, made_at = null
where erasure_id = %(erasure_id)s and store = 'kafka' and confirmed_at is null;

-- name: wait
update gateway.erasure_steps set waits_for = %(waits_for)s
where erasure_id = %(erasure_id)s and store = 'kafka' and confirmed_at is null
  and waits_for is distinct from %(waits_for)s;
