-- name: throw
insert into gateway.switches (switch_id, listener_id, attribute, value, reason, thrown_by)
values (%(switch_id)s, %(listener_id)s, %(attribute)s, %(value)s, %(reason)s, %(by)s)
returning *;

-- name: lift
update gateway.switches set lifted_reason = %(reason)s, lifted_by = %(by)s, lifted_at = now()
where switch_id = %(switch_id)s and lifted_at is null
returning *;

-- name: switch
select * from gateway.switches where switch_id = %(switch_id)s;

-- name: switches
select * from gateway.switches where lifted_at is null or not %(thrown)s
order by thrown_at desc, switch_id desc limit %(limit)s;

-- name: give_order
insert into gateway.orders (order_id, action, release_id, listener_id, version, reason, ordered_by)
values (%(order_id)s, %(action)s, %(release_id)s, %(listener_id)s, %(version)s, %(reason)s, %(by)s)
returning order_id;

-- name: orders
select o.order_id, o.action, o.release_id, o.listener_id, o.version, o.reason, o.ordered_by as by,
       case when a.order_id is null then 'waiting' when a.done then 'done' else 'refused' end as status,
       coalesce(a.says, '') as says, o.ordered_at, a.answered_at
from gateway.orders o
left join rollout.answers a using (order_id)
where %(order_id)s::uuid is null or o.order_id = %(order_id)s
order by o.ordered_at desc, o.order_id desc limit %(limit)s;
