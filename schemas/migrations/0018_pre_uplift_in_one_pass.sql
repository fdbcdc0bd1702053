-- The same numbers, each rating and each listener looked at once. Before, ratings and tracks were joined on two columns
-- of which one follows from the other: PostgreSQL multiplied their selectivities, expected a handful of rows, and compared
-- every mean with every other. Now the join is on the track alone, and the owner is asked where no row is estimated by it.
create or replace view analytics.listener_means as
select t.release_id, r.listener_id, t.arm,
       avg(r.stars) filter (where r.listener_id = t.listener_id)::double precision as mean,
       count(*) filter (where r.listener_id = t.listener_id)::int                  as ratings
from feedback.ratings r
join feedback.tracks t using (track_id)
group by t.release_id, r.listener_id, t.arm
having count(*) filter (where r.listener_id = t.listener_id) > 0;

-- A listener's arms side by side in one row; from there each difference is a matter of that row. Groups without a
-- difference come from the members of a release, so that a cohort that took part is shown though it compared nothing.
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
       case when listeners >= 2 then estimate end                                          as estimate,
       case when listeners >= 2 then estimate - analytics.t_975(listeners - 1) * error end as low,
       case when listeners >= 2 then estimate + analytics.t_975(listeners - 1) * error end as high,
       listeners, ratings
from summed;
