-- name: take
insert into rollout.leases as held (name, owner, until)
values ('control', %(owner)s, clock_timestamp() + make_interval(secs => %(lasts_s)s))
on conflict (name) do update set owner = excluded.owner, until = excluded.until
where held.owner = excluded.owner or held.until < clock_timestamp()
returning owner;

-- Locks the row until the transaction ends: nobody takes the lease within it.
-- name: renew
update rollout.leases set until = clock_timestamp() + make_interval(secs => %(lasts_s)s)
where name = 'control' and owner = %(owner)s
returning owner;

-- name: let_go
delete from rollout.leases where name = 'control' and owner = %(owner)s;
