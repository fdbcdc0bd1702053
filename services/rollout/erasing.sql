-- name: due
select e.erasure_id, e.listener as listener_id
from gateway.erasures e
join gateway.erasure_steps s on s.erasure_id = e.erasure_id and s.store = 'rollout' and s.confirmed_at is null
where e.listener is not null
order by e.asked_at;

-- name: forget_members
delete from rollout.members where listener_id = %(listener_id)s;

-- name: forget_served
delete from rollout.listener_models where listener_id = %(listener_id)s;

-- name: forget_actions
delete from rollout.actions where listener_id = %(listener_id)s;

-- name: forget_answers
update rollout.answers set says = replace(says, %(listener_id)s::text, gateway.erased_name(%(listener_id)s))
where strpos(says, %(listener_id)s::text) > 0;

-- name: rename_in_decisions
-- A decision can still be repeated from what it was given; under whose name is nobody's business any more.
with named as (
    select d.decision_id, d.inputs_sha256 as before
    from rollout.decisions d
    where strpos(d.inputs::text, %(listener_id)s::text) > 0 or strpos(d.reason, %(listener_id)s::text) > 0
), renamed as (
    update rollout.decisions d
    set inputs = replace(d.inputs::text, %(listener_id)s::text,
                         encode(substring(gateway.tombstone(%(listener_id)s) for 16), 'hex')::uuid::text)::jsonb,
        reason = replace(d.reason, %(listener_id)s::text, gateway.erased_name(%(listener_id)s))
    from named where d.decision_id = named.decision_id
    returning d.decision_id, d.inputs_sha256 as after
)
select decision_id, before, after from renamed join named using (decision_id) order by decision_id;

-- name: confirm
update gateway.erasure_steps set confirmed_at = now()
where erasure_id = %(erasure_id)s and store = 'rollout' and confirmed_at is null;
