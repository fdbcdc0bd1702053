-- Means of each arm over all releases and the time between them, a cohort that is small hidden as in 0075: mean over
-- listeners of the mean of all their ratings on the arm.
create view analytics.arm_means_overall as
with own as (
    select listener_id, arm, sum(mean * ratings) / sum(ratings) as mean, sum(ratings) as ratings
    from analytics.listener_means
    group by listener_id, arm
), summed as (
    select c.cohort, m.arm, avg(m.mean) as mean, sum(m.ratings)::int as ratings, count(*)::int as listeners
    from own m
    join analytics.cohorts c using (listener_id)
    group by c.cohort, m.arm
), beside as (
    select *, sum(listeners) over (
        partition by arm, split_part(cohort, '=', 1) order by listeners, cohort
        rows between unbounded preceding and 1 preceding
    ) as smaller
    from summed
)
select cohort, arm, case when listeners >= min_listeners and coalesce(smaller, min_listeners) >= min_listeners
                         then mean end as mean, ratings, listeners
from beside cross join analytics.policy;
