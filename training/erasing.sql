-- name: due
-- Between rounds: one that runs may be writing of anybody.
select e.erasure_id, e.listener
from gateway.erasures e
join gateway.erasure_steps s on s.erasure_id = e.erasure_id and s.store = 'training' and s.confirmed_at is null
where e.listener is not null and not exists (select from training.rounds where status = 'running')
order by e.asked_at

-- name: rename_in_rounds
update training.rounds set snapshot_sha256 = %(after)s where snapshot_sha256 = %(before)s

-- name: rename_in_adapters
update training.adapters set snapshot_sha256 = %(after)s where snapshot_sha256 = %(before)s

-- name: named_snapshots
select snapshot_sha256 as sha256 from training.rounds where snapshot_sha256 is not null
union
select snapshot_sha256 from training.adapters

-- name: forget_adapters
delete from training.adapters where listener_id = %(listener)s

-- name: forget_progress
delete from training.progress where listener_id = %(listener)s

-- name: forget_troubles
delete from training.troubles where listener_id = %(listener)s

-- name: forget_in_rounds
update training.rounds
set listeners = array_remove(listeners, %(listener)s),
    detail = replace(detail, %(listener)s::text, gateway.erased_name(%(listener)s))
where %(listener)s = any(listeners) or strpos(detail, %(listener)s::text) > 0

-- name: confirm
update gateway.erasure_steps set confirmed_at = now()
where erasure_id = %(erasure_id)s and store = 'training' and confirmed_at is null
