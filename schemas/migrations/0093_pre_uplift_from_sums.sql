-- The same numbers as before, from the sums by listener. A cohort that is asked for alone is made with the others of its
-- attribute, since those decide whether it is hidden, and no longer with those of every attribute: whoever asks names the
-- attribute too, `split_part(cohort, '=', 1)`, and that condition goes down to the listeners.
create view analytics.listener_attributes as
select listener_id, 'all' as attribute, 'all' as cohort from gateway.listeners where may_analyse
union all
select l.listener_id, a.key, a.key || '=' || a.value
from gateway.listeners l cross join lateral jsonb_each_text(l.attributes) a where l.may_analyse;

create or replace view analytics.cohorts as select listener_id, cohort from analytics.listener_attributes;

create or replace view analytics.listener_means as
select s.release_id, s.listener_id, a.arm, a.stars::double precision / a.ratings as mean, a.ratings
from feedback.rating_sums s
join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
cross join lateral (values
    ('base', base_ratings, base_stars), ('cold', cold_ratings, cold_stars), ('champion', champion_ratings, champion_stars),
    ('candidate', candidate_ratings, candidate_stars), ('previous', previous_ratings, previous_stars)
) as a (arm, ratings, stars)
where a.ratings > 0;

create or replace view analytics.uplift as
with own as (
    select release_id, listener_id, false as only_member,
           base_stars::float8 / nullif(base_ratings, 0) as base, cold_stars::float8 / nullif(cold_ratings, 0) as cold,
           champion_stars::float8 / nullif(champion_ratings, 0) as champion,
           candidate_stars::float8 / nullif(candidate_ratings, 0) as candidate,
           base_ratings, cold_ratings, champion_ratings, candidate_ratings
    from feedback.rating_sums
    union all
    select release_id, listener_id, true, null, null, null, null, 0, 0, 0, 0 from rollout.members
), differences as (
    select *, candidate - cold as d1, champion - cold as d2, candidate - champion as d3, candidate - base as d4,
           champion - base as d5, cold - base as d6
    from own
), wide as (
    select d.release_id, c.attribute, c.cohort, bool_or(only_member) as has_members,
           avg(d1) as mean1, stddev_samp(d1) as sd1, count(d1) as n1,
           sum(candidate_ratings + cold_ratings) filter (where d1 is not null) as ratings1,
           avg(d2) as mean2, stddev_samp(d2) as sd2, count(d2) as n2,
           sum(champion_ratings + cold_ratings) filter (where d2 is not null) as ratings2,
           avg(d3) as mean3, stddev_samp(d3) as sd3, count(d3) as n3,
           sum(candidate_ratings + champion_ratings) filter (where d3 is not null) as ratings3,
           avg(d4) as mean4, stddev_samp(d4) as sd4, count(d4) as n4,
           sum(candidate_ratings + base_ratings) filter (where d4 is not null) as ratings4,
           avg(d5) as mean5, stddev_samp(d5) as sd5, count(d5) as n5,
           sum(champion_ratings + base_ratings) filter (where d5 is not null) as ratings5,
           avg(d6) as mean6, stddev_samp(d6) as sd6, count(d6) as n6,
           sum(cold_ratings + base_ratings) filter (where d6 is not null) as ratings6
    from differences d
    join analytics.listener_attributes c using (listener_id)
    group by d.release_id, c.attribute, c.cohort
), summed as (
    select w.release_id, w.attribute, w.cohort, p.arm, p.baseline, p.mean as estimate, p.sd / sqrt(nullif(p.n, 0)) as error,
           p.n::int as listeners, coalesce(p.ratings, 0)::int as ratings
    from wide w cross join lateral (values
        ('candidate', 'cold', mean1, sd1, n1, ratings1), ('champion', 'cold', mean2, sd2, n2, ratings2),
        ('candidate', 'champion', mean3, sd3, n3, ratings3), ('candidate', 'base', mean4, sd4, n4, ratings4),
        ('champion', 'base', mean5, sd5, n5, ratings5), ('cold', 'base', mean6, sd6, n6, ratings6)
    ) as p (arm, baseline, mean, sd, n, ratings)
    where p.n > 0 or has_members
), beside as (
    select *, sum(listeners) over (
        partition by release_id, arm, baseline, attribute order by listeners, cohort
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
       listeners, ratings, attribute
from told;

create or replace view analytics.arm_means as
with summed as (
    select m.release_id, c.attribute, c.cohort, m.arm,
           avg(m.mean) as mean, sum(m.ratings)::int as ratings, count(*)::int as listeners
    from analytics.listener_means m
    join analytics.listener_attributes c using (listener_id)
    group by m.release_id, c.attribute, c.cohort, m.arm
), beside as (
    select *, sum(listeners) over (
        partition by release_id, arm, attribute order by listeners, cohort
        rows between unbounded preceding and 1 preceding
    ) as smaller
    from summed
)
select release_id, cohort, arm, case when listeners >= min_listeners and coalesce(smaller, min_listeners) >= min_listeners
                                     then mean end as mean, ratings, listeners, attribute
from beside cross join analytics.policy;

create or replace view analytics.arm_means_overall as
with own as (
    select listener_id, arm, sum(mean * ratings) / sum(ratings) as mean, sum(ratings) as ratings
    from analytics.listener_means
    group by listener_id, arm
), summed as (
    select c.attribute, c.cohort, m.arm, avg(m.mean) as mean, sum(m.ratings)::int as ratings, count(*)::int as listeners
    from own m
    join analytics.listener_attributes c using (listener_id)
    group by c.attribute, c.cohort, m.arm
), beside as (
    select *, sum(listeners) over (
        partition by arm, attribute order by listeners, cohort
        rows between unbounded preceding and 1 preceding
    ) as smaller
    from summed
)
select cohort, arm, case when listeners >= min_listeners and coalesce(smaller, min_listeners) >= min_listeners
                         then mean end as mean, ratings, listeners, attribute
from beside cross join analytics.policy;
