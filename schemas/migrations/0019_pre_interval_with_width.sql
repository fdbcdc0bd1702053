-- As before, and an interval without width is none, as below two listeners: that a few listeners' differences happen to be
-- equal says nothing of how far the next one's would be off. The bound is above what the sums of such differences round to.
create or replace view analytics.uplift as
with own as (
    select release_id, listener_id,
           array_agg(arm) as arms, array_agg(mean) as means, array_agg(ratings) as ratings
    from analytics.listener_means
    group by release_id, listener_id
), differences as (
    select own.release_id, own.listener_id, a.arm, b.arm as baseline,
           a.mean - b.mean as difference, a.ratings + b.ratings as ratings
    from own
    cross join lateral unnest(own.arms, own.means, own.ratings) as a (arm, mean, ratings)
    cross join lateral unnest(own.arms, own.means, own.ratings) as b (arm, mean, ratings)
    join analytics.comparisons compared on compared.arm = a.arm and compared.baseline = b.arm
    union all
    select m.release_id, m.listener_id, compared.arm, compared.baseline, null, 0
    from rollout.members m cross join analytics.comparisons compared
), summed as (
    select d.release_id, c.cohort, d.arm, d.baseline,
           avg(d.difference) as estimate, stddev_samp(d.difference) / sqrt(nullif(count(d.difference), 0)) as error,
           count(d.difference)::int as listeners, sum(d.ratings)::int as ratings
    from differences d
    join analytics.cohorts c using (listener_id)
    group by d.release_id, c.cohort, d.arm, d.baseline
)
select release_id, cohort, arm, baseline,
       case when error > 1e-9 then estimate end                                          as estimate,
       case when error > 1e-9 then estimate - analytics.t_975(listeners - 1) * error end as low,
       case when error > 1e-9 then estimate + analytics.t_975(listeners - 1) * error end as high,
       listeners, ratings
from summed;
