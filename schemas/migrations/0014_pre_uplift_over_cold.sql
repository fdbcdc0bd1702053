-- What is compared with what. Over `cold` is learning, measured directly inside one listener; over `base` stands beside
-- it and is not learning: the songs are in it.
create view analytics.comparisons (arm, baseline) as
values ('candidate', 'cold'), ('champion', 'cold'), ('candidate', 'champion'),
       ('candidate', 'base'), ('champion', 'base'), ('cold', 'base');

create or replace view analytics.uplift as
with differences as (
    select a.release_id, a.listener_id, a.arm, b.arm as baseline,
           a.mean - b.mean as difference, a.ratings + b.ratings as ratings
    from analytics.comparisons compared
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
), shown as (
    select m.release_id, c.cohort, compared.arm, compared.baseline
    from rollout.members m join analytics.cohorts c using (listener_id) cross join analytics.comparisons compared
    union
    select release_id, cohort, arm, baseline from summed
)
select w.release_id, w.cohort, w.arm, w.baseline,
       case when s.listeners >= 2 then s.estimate end                                            as estimate,
       case when s.listeners >= 2 then s.estimate - analytics.t_975(s.listeners - 1) * s.error end as low,
       case when s.listeners >= 2 then s.estimate + analytics.t_975(s.listeners - 1) * s.error end as high,
       coalesce(s.listeners, 0) as listeners, coalesce(s.ratings, 0) as ratings
from shown w
left join summed s
  on s.release_id is not distinct from w.release_id and s.cohort = w.cohort
 and s.arm = w.arm and s.baseline = w.baseline;

do $$
begin
    if exists (select from pg_roles where rolname = 'encore_analyst') then
        grant select on analytics.comparisons to encore_analyst;
    end if;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to grant, skipped';
end
$$;
