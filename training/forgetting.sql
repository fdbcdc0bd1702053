-- name: due
-- After whoever writes to the registry has confirmed, and between rounds: one that runs may be registering anybody.
select e.erasure_id, e.listener
from gateway.erasures e
join gateway.erasure_steps s on s.erasure_id = e.erasure_id and s.store = 'mlflow' and s.confirmed_at is null
where e.listener is not null
  and not exists (select from gateway.erasure_steps b
                  where b.erasure_id = e.erasure_id and b.store in ('training', 'rollout') and b.confirmed_at is null)
  and not exists (select from training.rounds where status = 'running')
order by e.asked_at

-- name: snapshots
select round_id, snapshot_sha256 as sha256 from training.rounds where snapshot_sha256 is not null

-- name: confirm
update gateway.erasure_steps set confirmed_at = now()
where erasure_id = %(erasure_id)s and store = 'mlflow' and confirmed_at is null
