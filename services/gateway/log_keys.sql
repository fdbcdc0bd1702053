-- name: held
select listener_id, log, key from gateway.log_keys where listener_id = any(%(listeners)s);

-- name: make
-- Only for whom there is: who is being erased is waited for, and gets no key any more. Another gateway may be quicker.
insert into gateway.log_keys (listener_id, log, key)
select w.listener_id, w.log, w.key
from unnest(%(listeners)s::uuid[], %(logs)s::uuid[], %(keys)s::bytea[]) as w (listener_id, log, key)
join gateway.listeners l using (listener_id)
for key share of l
on conflict do nothing;
