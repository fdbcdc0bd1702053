"""The views of uplift as their definition reads, without a thought for speed: quadratic in the ratings of a release.

What the views of `analytics` with the same names must give is what these give.
"""

from typing import Final, LiteralString

PLAIN_VIEWS: Final[LiteralString] = """
create schema plain;
create view plain.listener_means as
select t.release_id, r.listener_id, t.arm, avg(r.stars)::double precision as mean, count(*)::int as ratings
from feedback.ratings r join feedback.tracks t using (listener_id, track_id)
group by t.release_id, r.listener_id, t.arm;

create view plain.uplift as
with differences as (
    select a.release_id, a.listener_id, a.arm, b.arm as baseline,
           a.mean - b.mean as difference, a.ratings + b.ratings as ratings
    from analytics.comparisons compared
    join plain.listener_means a on a.arm = compared.arm
    join plain.listener_means b
      on b.arm = compared.baseline and b.listener_id = a.listener_id and b.release_id is not distinct from a.release_id
), summed as (
    select d.release_id, c.cohort, d.arm, d.baseline,
           avg(d.difference) as estimate, stddev_samp(d.difference) / sqrt(count(*)) as error,
           count(*)::int as listeners, sum(d.ratings)::int as ratings
    from differences d join analytics.cohorts c using (listener_id)
    group by d.release_id, c.cohort, d.arm, d.baseline
), shown as (
    select m.release_id, c.cohort, compared.arm, compared.baseline
    from rollout.members m join analytics.cohorts c using (listener_id) cross join analytics.comparisons compared
    union
    select release_id, cohort, arm, baseline from summed
)
select w.release_id, w.cohort, w.arm, w.baseline,
       case when s.listeners >= 2 then s.estimate end                                              as estimate,
       case when s.listeners >= 2 then s.estimate - analytics.t_975(s.listeners - 1) * s.error end as low,
       case when s.listeners >= 2 then s.estimate + analytics.t_975(s.listeners - 1) * s.error end as high,
       coalesce(s.listeners, 0) as listeners, coalesce(s.ratings, 0) as ratings
from shown w
left join summed s
  on s.release_id is not distinct from w.release_id and s.cohort = w.cohort
 and s.arm = w.arm and s.baseline = w.baseline
;
create view plain.arm_means as
select m.release_id, c.cohort, m.arm, avg(m.mean) as mean, sum(m.ratings)::int as ratings, count(*)::int as listeners
from plain.listener_means m join analytics.cohorts c using (listener_id)
group by m.release_id, c.cohort, m.arm;
create view plain.arm_means_overall as
with own as (
    select r.listener_id, t.arm, avg(r.stars)::double precision as mean, count(*)::int as ratings
    from feedback.ratings r join feedback.tracks t using (listener_id, track_id)
    group by r.listener_id, t.arm
)
select c.cohort, o.arm, avg(o.mean) as mean, sum(o.ratings)::int as ratings, count(*)::int as listeners
from own o join analytics.cohorts c using (listener_id)
group by c.cohort, o.arm
"""
