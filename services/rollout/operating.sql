-- name: pause
update rollout.releases set paused_at = now()
where release_id = %(release_id)s and status = 'canary' and paused_at is null returning release_id;

-- name: resume
update rollout.releases
set paused_s = paused_s + extract(epoch from now() - paused_at), step_at = step_at + (now() - paused_at), paused_at = null
where release_id = %(release_id)s and status = 'canary' and paused_at is not null returning release_id;

-- name: release
select status, paused_at is not null as paused from rollout.releases where release_id = %(release_id)s;

-- name: known_listener
select listener_id from gateway.listeners where listener_id = %(listener_id)s;

-- name: known_cohort
select listener_id from gateway.listeners where attributes ->> %(attribute)s = %(value)s limit 1;

-- Who leaves a canary leaves what they gave in it.
-- name: opt_out
insert into rollout.listener_models as m (listener_id, opted_out) values (%(listener_id)s, true)
on conflict (listener_id) do update
set opted_out = true, candidate_version = null, release_id = null, watched_release_id = null, updated_at = now();

-- name: opt_in
update rollout.listener_models set opted_out = false, updated_at = now() where listener_id = %(listener_id)s;

-- name: act
insert into rollout.actions (action_id, action, release_id, listener_id, version, reason, acted_by)
values (%(action_id)s, %(action)s, %(release_id)s, %(listener_id)s, %(version)s, %(reason)s, %(by)s);

-- name: last_of_all
select action, reason, acted_by, acted_at from rollout.actions
where action in ('stop', 'start') order by acted_at desc, action_id desc limit 1;

-- name: actions
select action, release_id, listener_id, version, reason, acted_by, acted_at from rollout.actions
order by acted_at desc, action_id desc limit %(limit)s;

-- name: waiting_orders
select order_id, action, release_id, listener_id, version, reason, ordered_by as by from gateway.orders o
where not exists (select from rollout.answers a where a.order_id = o.order_id)
order by ordered_at, order_id;

-- name: answer
insert into rollout.answers (order_id, done, says) values (%(order_id)s, %(done)s, %(says)s)
on conflict (order_id) do nothing;

-- The switches themselves are the gateway's, which reads them; an operator's command may throw them without it.
-- name: throw
insert into gateway.switches (switch_id, listener_id, attribute, value, reason, thrown_by)
values (%(switch_id)s, %(listener_id)s, %(attribute)s, %(value)s, %(reason)s, %(by)s);

-- name: lift
update gateway.switches set lifted_reason = %(reason)s, lifted_by = %(by)s, lifted_at = now()
where switch_id = %(switch_id)s and lifted_at is null returning switch_id;

-- name: switches
select switch_id, listener_id, attribute, value, reason, thrown_by, thrown_at from gateway.switches
where lifted_at is null order by thrown_at desc, switch_id desc;

-- name: leave_canary
update rollout.members m set left_at = now()
from rollout.listener_models w
where w.listener_id = %(listener_id)s and m.listener_id = w.listener_id and m.release_id = w.release_id;

-- name: decided
select decision_id from rollout.decisions
where release_id = %(release_id)s and verdict = %(verdict)s and reason = %(reason)s and inputs ->> 'by' = %(by)s
  and (inputs ->> 'final')::boolean;
