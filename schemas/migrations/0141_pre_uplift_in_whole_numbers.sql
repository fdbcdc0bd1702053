-- The views of uplift and of means from whole numbers of 1e-8 stars, as cells are, so that sums are exact and may be made in
-- parts: first by what listeners tell of themselves, all of it, which is the same of many of them, then by cohort. A row of
-- sums has the listener's differences ready. Whoever asks for everyone alone says `everyone`, and no cohort is looked at.

-- A pattern for each comparison, in the order of the views: %1$s over %2$s, the %3$s-th.
create function feedback.each_comparison(pattern text) returns text language sql immutable as $$
    select string_agg(format(pattern, c.arm, c.baseline, c.place), ', ' order by c.place)
    from (values ('candidate', 'cold', 1), ('champion', 'cold', 2), ('candidate', 'champion', 3), ('candidate', 'base', 4),
                 ('champion', 'base', 5), ('cold', 'base', 6)) as c (arm, baseline, place)
$$;

do $do$
declare
    difference constant text := '(1e8::float8 * (%1$s_stars::float8 / nullif(%1$s_ratings, 0)'
        ' - %2$s_stars::float8 / nullif(%2$s_ratings, 0)))::bigint';
    summed constant text := feedback.each_comparison(
        'sum(%1$s_less_%2$s) as d%3$s, sum(%1$s_less_%2$s * %1$s_less_%2$s) as dd%3$s, count(%1$s_less_%2$s) as n%3$s,'
        ' sum(%1$s_ratings + %2$s_ratings) filter (where %1$s_less_%2$s is not null) as ratings%3$s');
    nothing constant text := feedback.each_comparison('null, null, null, null');
    again constant text := feedback.each_comparison(
        'sum(d%3$s) as d%3$s, sum(dd%3$s) as dd%3$s, coalesce(sum(n%3$s), 0) as n%3$s, sum(ratings%3$s) as ratings%3$s');
    each_mean constant text := $$ sum((1e8::float8 * %1$s_stars / nullif(%1$s_ratings, 0))::bigint) as %1$s_mean,
        sum(%1$s_ratings) as %1$s_ratings, count(*) filter (where %1$s_ratings > 0) as %1$s_listeners $$;
    means constant text := (select string_agg(format(each_mean, arm), ', ')
        from unnest(array['base', 'cold', 'champion', 'candidate', 'previous']) arm);
    of_arms constant text := (select string_agg(format('(%1$L, %1$s_mean, %1$s_ratings, %1$s_listeners)', arm), ', ')
        from unnest(array['base', 'cold', 'champion', 'candidate', 'previous']) arm);
begin
    execute 'alter table feedback.rating_sums ' || feedback.each_comparison(
        'add column %1$s_less_%2$s bigint generated always as (' || difference || ') stored');

    execute format($view$
        create or replace view analytics.uplift as
        with sums as (
            select true as everyone, 'all' as attribute, 'all' as cohort, s.*
            from (
                select s.release_id, false as of_members, %1$s
                from feedback.rating_sums s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
                group by s.release_id
                union all
                select m.release_id, true, %2$s
                from rollout.members m join gateway.listeners l on l.listener_id = m.listener_id and l.may_analyse
                group by m.release_id
            ) s
            union all
            select false, a.key, a.key || '=' || a.value, %3$s
            from (
                select s.release_id, false as of_members, l.attributes, %1$s
                from feedback.rating_sums s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
                group by s.release_id, l.attributes
                union all
                select m.release_id, true, l.attributes, %2$s
                from rollout.members m join gateway.listeners l on l.listener_id = m.listener_id and l.may_analyse
                group by m.release_id, l.attributes
            ) s cross join lateral jsonb_each_text(s.attributes) a
        ), wide as (
            select release_id, everyone, attribute, cohort, bool_or(of_members) as has_members, %4$s
            from sums group by release_id, everyone, attribute, cohort
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
    $view$, summed, nothing,
        's.release_id, s.of_members, ' || feedback.each_comparison('s.d%3$s, s.dd%3$s, s.n%3$s, s.ratings%3$s'), again,
        feedback.each_comparison('(''%1$s'', ''%2$s'', d%3$s, dd%3$s, n%3$s, ratings%3$s)'));

    execute format($view$
        create or replace view analytics.arm_means as
        with sums as (
            select s.release_id, true as everyone, 'all' as attribute, 'all' as cohort, %1$s
            from feedback.rating_sums s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
            group by s.release_id
            union all
            select s.release_id, false, a.key, a.key || '=' || a.value, %2$s
            from (
                select s.release_id, l.attributes, %1$s
                from feedback.rating_sums s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
                group by s.release_id, l.attributes
            ) s cross join lateral jsonb_each_text(s.attributes) a
            group by s.release_id, a.key, a.value
        ), compared as (
            select s.release_id, s.everyone, s.attribute, s.cohort, p.arm, (p.mean / p.listeners)::float8 / 1e8 as mean,
                   p.ratings::int as ratings, p.listeners::int as listeners
            from sums s cross join lateral (values %3$s) as p (arm, mean, ratings, listeners)
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
    $view$, means,
        (select string_agg(format('sum(%1$s_mean), sum(%1$s_ratings), sum(%1$s_listeners)', arm), ', ')
         from unnest(array['base', 'cold', 'champion', 'candidate', 'previous']) arm), of_arms);

    execute format($view$
        create or replace view analytics.arm_means_overall as
        with own as (
            select listener_id, %4$s from feedback.rating_sums group by listener_id
        ), sums as (
            select true as everyone, 'all' as attribute, 'all' as cohort, %1$s
            from own s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
            union all
            select false, a.key, a.key || '=' || a.value, %2$s
            from (
                select l.attributes, %1$s
                from own s join gateway.listeners l on l.listener_id = s.listener_id and l.may_analyse
                group by l.attributes
            ) s cross join lateral jsonb_each_text(s.attributes) a
            group by a.key, a.value
        ), compared as (
            select s.everyone, s.attribute, s.cohort, p.arm, (p.mean / p.listeners)::float8 / 1e8 as mean,
                   p.ratings::int as ratings, p.listeners::int as listeners
            from sums s cross join lateral (values %3$s) as p (arm, mean, ratings, listeners)
            where p.listeners > 0
        ), beside as (
            select *, sum(listeners) over (
                partition by everyone, arm, attribute order by listeners, cohort
                rows between unbounded preceding and 1 preceding
            ) as smaller
            from compared
        )
        select cohort, arm, case when listeners >= min_listeners and coalesce(smaller, min_listeners) >= min_listeners
                                 then mean end as mean, ratings, listeners, attribute, everyone
        from beside cross join analytics.policy
    $view$, means,
        (select string_agg(format('sum(%1$s_mean), sum(%1$s_ratings), sum(%1$s_listeners)', arm), ', ')
         from unnest(array['base', 'cold', 'champion', 'candidate', 'previous']) arm), of_arms,
        (select string_agg(format('sum(%1$s_stars) as %1$s_stars, sum(%1$s_ratings) as %1$s_ratings', arm), ', ')
         from unnest(array['base', 'cold', 'champion', 'candidate', 'previous']) arm));
end
$do$;
