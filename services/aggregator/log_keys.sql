-- name: keys
-- Of these logs: the key, or null where it was thrown away. One that is not known is left out.
select w.log, k.listener_id, k.key
from unnest(%(logs)s::uuid[]) as w (log)
left join gateway.log_keys k using (log)
left join gateway.thrown_logs t using (log)
where k.log is not null or t.log is not null;
