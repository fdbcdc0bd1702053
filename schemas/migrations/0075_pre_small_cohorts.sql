-- As before, and small cohorts are hidden in the view itself: with fewer listeners than the policy allows, or where it would
-- follow by subtraction because what is hidden beside it, among the values of the same attribute, has fewer.
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
), beside as (
    select *, sum(listeners) over (
        partition by release_id, arm, baseline, split_part(cohort, '=', 1) order by listeners, cohort
        rows between unbounded preceding and 1 preceding
    ) as smaller
    from summed
), told as (
    select b.*, error > 1e-9 and b.listeners >= p.min_listeners
                and (coalesce(smaller, 0) = 0 or smaller >= p.min_listeners) as shown
    from beside b cross join analytics.policy p
)
select release_id, cohort, arm, baseline,
       case when shown then estimate end                                          as estimate,
       case when shown then estimate - analytics.t_975(listeners - 1) * error end as low,
       case when shown then estimate + analytics.t_975(listeners - 1) * error end as high,
       listeners, ratings
from told;

create or replace view analytics.arm_means as
with summed as (
    select m.release_id, c.cohort, m.arm,
           avg(m.mean) as mean, sum(m.ratings)::int as ratings, count(*)::int as listeners
    from analytics.listener_means m
    join analytics.cohorts c using (listener_id)
    group by m.release_id, c.cohort, m.arm
), beside as (
    select *, sum(listeners) over (
        partition by release_id, arm, split_part(cohort, '=', 1) order by listeners, cohort
        rows between unbounded preceding and 1 preceding
    ) as smaller
    from summed
)
select release_id, cohort, arm, case when listeners >= min_listeners and coalesce(smaller, min_listeners) >= min_listeners
                                     then mean end as mean, ratings, listeners
from beside cross join analytics.policy;
