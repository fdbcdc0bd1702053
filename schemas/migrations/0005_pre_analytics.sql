-- What analysts read. Views only: every number follows from feedback rows, now and again.
create schema analytics;

-- The groups a listener belongs to: 'all', and 'key=value' for each attribute.
create view analytics.cohorts as
select listener_id, 'all' as cohort from gateway.listeners
union all
select l.listener_id, a.key || '=' || a.value from gateway.listeners l cross join lateral jsonb_each_text(l.attributes) a;

-- The 97.5 % point of Student's t. Tabled where the series (Abramowitz and Stegun 26.7.5) is off by more than 1e-4.
create function analytics.t_975(df int) returns double precision
language sql immutable parallel safe
as $$
    select case
        when df is null or df < 1 then null
        when df <= 8 then (array[12.7062047, 4.3026527, 3.1824463, 2.7764451,
                                 2.5705818, 2.4469119, 2.3646243, 2.3060041])[df]::double precision
        else z + (z ^ 3 + z) / (4 * n)
               + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * n ^ 2)
               + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * n ^ 3)
               + (79 * z ^ 9 + 776 * z ^ 7 + 1482 * z ^ 5 - 1920 * z ^ 3 - 945 * z) / (92160 * n ^ 4)
        end
    from (select 1.959963984540054::double precision as z, df::double precision as n) point
$$;

-- One row for each listener, release and arm that was rated: the unit of every estimate below.
create view analytics.listener_means as
select t.release_id, r.listener_id, t.arm, avg(r.stars)::double precision as mean, count(*)::int as ratings
from feedback.ratings r
join feedback.tracks t using (listener_id, track_id)
group by t.release_id, r.listener_id, t.arm;

-- Mean over listeners of each listener's mean. release_id is null for ratings outside any canary.
create view analytics.arm_means as
select m.release_id, c.cohort, m.arm,
       avg(m.mean) as mean, sum(m.ratings)::int as ratings, count(*)::int as listeners
from analytics.listener_means m
join analytics.cohorts c using (listener_id)
group by m.release_id, c.cohort, m.arm;

-- Mean over listeners of (own mean on arm - own mean on baseline), with a 95 % t-interval clustered by listener.
create view analytics.uplift as
with compared (arm, baseline) as (
    values ('champion', 'base'), ('candidate', 'base'), ('candidate', 'champion')
), differences as (
    select a.release_id, a.listener_id, a.arm, b.arm as baseline,
           a.mean - b.mean as difference, a.ratings + b.ratings as ratings
    from compared
    join analytics.listener_means a on a.arm = compared.arm
    join analytics.listener_means b
      on b.arm = compared.baseline and b.listener_id = a.listener_id and b.release_id is not distinct from a.release_id
), summed as (
    select d.release_id, c.cohort, d.arm, d.baseline,
           avg(d.difference) as estimate, stddev_samp(d.difference) / sqrt(count(*)) as error,
           count(*)::int as listeners, sum(d.ratings)::int as ratings
    from differences d
    join analytics.cohorts c using (listener_id)
    group by d.release_id, c.cohort, d.arm, d.baseline
)
select release_id, cohort, arm, baseline,
       case when listeners >= 2 then estimate end                                        as estimate,
       case when listeners >= 2 then estimate - analytics.t_975(listeners - 1) * error end as low,
       case when listeners >= 2 then estimate + analytics.t_975(listeners - 1) * error end as high,
       listeners, ratings
from summed;

-- A read-only group role for analysts: people get a login of their own and are put into it. Managed databases may
-- not let a migration create roles; then whoever may does, and runs the grants below.
do $$
begin
    if not exists (select from pg_roles where rolname = 'encore_analyst') then
        create role encore_analyst nologin;
    end if;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to create it, skipped';
    when duplicate_object or unique_violation then null;  -- another database of this server was quicker
end
$$;

do $$
begin
    if exists (select from pg_roles where rolname = 'encore_analyst') then
        grant usage on schema analytics, feedback, rollout to encore_analyst;
        grant select on all tables in schema analytics, feedback, rollout to encore_analyst;
        alter default privileges in schema analytics, feedback, rollout grant select on tables to encore_analyst;
    end if;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to grant, skipped';
end
$$;
