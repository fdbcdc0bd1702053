-- As before, and every cohort with a member in a release has its rows, also where nobody rated both arms: a cohort that
-- is missing from a report looks as if it had not been asked.
create or replace view analytics.uplift as
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
), shown as (
    select m.release_id, c.cohort, compared.arm, compared.baseline
    from rollout.members m join analytics.cohorts c using (listener_id) cross join compared
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
