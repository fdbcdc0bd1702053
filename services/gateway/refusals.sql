-- name: add
with over as (
    delete from gateway.refusals where minute < now() - interval '1 day'
)
insert into gateway.refusals as r (minute, status, code, refused)
select date_trunc('minute', now()), n.* from unnest(%(statuses)s::smallint[], %(codes)s::text[], %(refused)s::bigint[]) as n
order by 2, 3
on conflict (minute, status, code) do update set refused = r.refused + excluded.refused;

-- name: told
select status, code, coalesce(sum(refused) filter (where minute > now() - interval '1 hour'), 0)::bigint as last_hour,
       sum(refused)::bigint as last_day, max(minute) as last_at
from gateway.refusals
where minute > now() - interval '1 day'
group by status, code
order by last_hour desc, last_day desc, status, code;
