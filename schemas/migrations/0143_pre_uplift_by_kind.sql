-- The views of uplift and of means went through a release's listeners twice: for everyone, and by all that listeners tell of
-- themselves, compared as documents. Now once, by a number that stands for that document; everyone is the sum of those few
-- rows, as each cohort is. Two versions of the server may number a document differently: then it has two rows, to be added.
alter table gateway.listeners
    add column attributes_number bigint generated always as (jsonb_hash_extended(attributes, 0)) stored;
create index on gateway.listeners (attributes_number);

do $do$
declare
    -- The cohorts of a number `kind`, of which everyone is one.
    cohorts constant text := $$ cross join lateral (
        select true as everyone, 'all' as attribute, 'all' as cohort
        union all
        select false, a.key, a.key || '=' || a.value
        from (select attributes from gateway.listeners where attributes_number = kind limit 1) l
        cross join lateral jsonb_each_text(l.attributes) a
    ) c $$;
    summed constant text := feedback.each_comparison(
        'sum(%1$s_less_%2$s) as d%3$s, sum(%1$s_less_%2$s * %1$s_less_%2$s) as dd%3$s, count(%1$s_less_%2$s) as n%3$s,'
        ' sum(%1$s_ratings + %2$s_ratings) filter (where %1$s_less_%2$s is not null) as ratings%3$s');
    nothing constant text := feedback.each_comparison('null, null, null, null');
    again constant text := feedback.each_comparison(
        'sum(d%3$s) as d%3$s, sum(dd%3$s) as dd%3$s, coalesce(sum(n%3$s), 0) as n%3$s, sum(ratings%3$s) as ratings%3$s');
    arms constant text[] := array['base', 'cold', 'champion', 'candidate', 'previous'];
    means constant text := (select string_agg(format(
        'sum((1e8::float8 * %1$s_stars / nullif(%1$s_ratings, 0))::bigint) as %1$s_mean, sum(%1$s_ratings) as %1$s_ratings,'
        ' count(*) filter (where %1$s_ratings > 0) as %1$s_listeners', arm), ', ') from unnest(arms) arm);
    means_again constant text := (select string_agg(format(
        'sum(%1$s_mean) as %1$s_mean, sum(%1$s_ratings) as %1$s_ratings, sum(%1$s_listeners) as %1$s_listeners', arm), ', ')
        from unnest(arms) arm);
    of_arms constant text := (select string_agg(format('(%1$L, %1$s_mean, %1$s_ratings, %1$s_listeners)', arm), ', ')
        from unnest(arms) arm);
begin
    execute format($view$
        create or replace view analytics.uplift as
        with wide as (
            select release_id, everyone, attribute, cohort, bool_or(of_members) as has_members, %3$s
            from (
                select s.release_id, l.attributes_number as kind, false as of_members, %1$s
                from feedback.rating_sums s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
                group by s.release_id, l.attributes_number
                union all
                select m.release_id, l.attributes_number, true, %2$s
                from rollout.members m join gateway.listeners l on l.listener_id = m.listener_id and l.may_analyse
                group by m.release_id, l.attributes_number
            ) sums %4$s
            group by release_id, everyone, attribute, cohort
        ), compared as (
            select w.release_id, w.everyone, w.attribute, w.cohort, p.arm, p.baseline,
                   (p.d / nullif(p.n, 0))::float8 / 1e8 as estimate,
                   sqrt((p.dd * p.n - p.d * p.d)::float8 / nullif(p.n * p.n * (p.n - 1), 0)::float8) / 1e8 as error,
                   p.n::int as listeners, coalesce(p.ratings, 0)::int as ratings
            from wide w cross join lateral (values %5$s) as p (arm, baseline, d, dd, n, ratings)
            where p.n > 0 or has_members
        ), beside as (
            select *, sum(listeners) over (
                partition by release_id, everyone, arm, baseline, attribute order by listeners, cohort
                rows between unbounded preceding and 1 preceding
            ) as smaller
            from compared
        ), told as (
            select b.*, error > 1e-9 and b.listeners >= p.min_listeners
                        and (coalesce(smaller, 0) = 0 or smaller >= p.min_listeners) as shown
            from beside b cross join analytics.policy p
        )
        select release_id, cohort, arm, baseline,
               case when shown then estimate end                                          as estimate,
               case when shown then estimate - analytics.t_975(listeners - 1) * error end as low,
               case when shown then estimate + analytics.t_975(listeners - 1) * error end as high,
               listeners, ratings, attribute, everyone
        from told
    $view$, summed, nothing, again, cohorts,
        feedback.each_comparison('(''%1$s'', ''%2$s'', d%3$s, dd%3$s, n%3$s, ratings%3$s)'));

    execute format($view$
        create or replace view analytics.arm_means as
        with sums as (
            select release_id, everyone, attribute, cohort, %2$s
            from (
                select s.release_id, l.attributes_number as kind, %1$s
                from feedback.rating_sums s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
                group by s.release_id, l.attributes_number
            ) sums %3$s
            group by release_id, everyone, attribute, cohort
        ), compared as (
            select s.release_id, s.everyone, s.attribute, s.cohort, p.arm, (p.mean / p.listeners)::float8 / 1e8 as mean,
                   p.ratings::int as ratings, p.listeners::int as listeners
            from sums s cross join lateral (values %4$s) as p (arm, mean, ratings, listeners)
            where p.listeners > 0
        ), beside as (
            select *, sum(listeners) over (
                partition by release_id, everyone, arm, attribute order by listeners, cohort
                rows between unbounded preceding and 1 preceding
            ) as smaller
            from compared
        )
        select release_id, cohort, arm, case when listeners >= min_listeners and coalesce(smaller, min_listeners) >= min_listeners
                                             then mean end as mean, ratings, listeners, attribute, everyone
        from beside cross join analytics.policy
    $view$, means, means_again, cohorts, of_arms);
end
$do$;
