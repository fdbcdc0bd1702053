-- How a version was made: by which method its factors were trained, `songs` where no feedback was learned from, `selection`
-- for one without factors. Cells have the method of the listener's candidate as a dimension, and there are cells of all
-- releases together: in those a listener's releases whose candidates were made by one method count as one.

alter table training.adapters add column method text not null default 'unknown';

create view feedback.candidate_methods as
select m.release_id, m.listener_id, coalesce(a.method, 'unknown') as method
from rollout.members m
left join training.adapters a on a.listener_id = m.listener_id and a.version = m.candidate_version;

create view facts.versions as
select facts.pseudonym(a.listener_id, k) as listener, a.version, a.round_id, a.method, a.created_at as made_at
from training.adapters a
join gateway.listeners l on l.listener_id = a.listener_id and l.may_analyse
cross join secrets.pseudonyms k;

create or replace view analytics.dimensions (dimension, about) as
values ('country', 'listener'), ('age_band', 'listener'), ('taste', 'listener'), ('device', 'listener'),
       ('home', 'listener'), ('tenure', 'listener'), ('style', 'track'), ('method', 'version');

-- What stands for all releases together where a release is named: the largest id there can be (RFC 9562, section 5.10).
create function analytics.every_release() returns uuid language sql immutable parallel safe as $$
    select 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
$$;

-- In cells of all releases an empty method is that of all methods together.
alter table feedback.cells add column method text not null default 'unknown';

-- Rows of compared means have a `method` now; null: that of the listener's candidate in this release.
create or replace function feedback.add_cells(which uuid, which_metric text, compared text) returns void language plpgsql
as $body$
begin
    execute $$
        insert into feedback.cells
        with own as (
            select *, (1e8 * (a - b))::bigint as d0, (1e8 * b)::bigint as b0 from ($$ || compared || $$) c
        ), moved as (
            select *, case when span = 'step' then lag(1, 1, 0) over past else 0 end as n1,
                   case when span = 'step' then lag(na + nb, 1, 0::bigint) over past else 0 end as o1,
                   case when span = 'step' then lag(d0, 1, 0::bigint) over past else 0 end as d1,
                   case when span = 'step' then lag(b0, 1, 0::bigint) over past else 0 end as b1
            from own window past as (partition by listener_id, arm, baseline, span, style order by day)
        )
        select $1, $2, m.arm, m.baseline, m.span, m.style, m.day, t.country, t.age_band, t.taste, t.device, t.home,
               analytics.tenure(t.created_at, r.started_at), sum(1 - n1), sum(na + nb - o1), sum(d0 - d1),
               sum(d0 * d0 - d1 * d1), sum(b0 - b1), sum(b0 * b0 - b1 * b1), sum(d0 * b0 - d1 * b1),
               coalesce(m.method, k.method, 'unknown')
        from moved m
        join analytics.traits t using (listener_id)
        left join feedback.candidate_methods k on k.release_id = $1 and k.listener_id = m.listener_id
        left join rollout.releases r on r.release_id = $1
        group by m.arm, m.baseline, m.span, m.style, m.day, t.country, t.age_band, t.taste, t.device, t.home, 13, 21
    $$ using which, which_metric;
end
$body$;

create or replace function feedback.refresh_cells(which uuid) returns void language plpgsql set jit = off as $body$
declare
    m analytics.metrics;
    pooled boolean := which = analytics.every_release();
    arms text;
    pairs constant text := $$ cross join lateral (values
        ('candidate', 'cold', n4, s4, n2, s2), ('champion', 'cold', n3, s3, n2, s2), ('candidate', 'champion', n4, s4, n3, s3),
        ('candidate', 'base', n4, s4, n1, s1), ('champion', 'base', n3, s3, n1, s1), ('cold', 'base', n2, s2, n1, s1)
    ) p (arm, baseline, na, sa, nb, sb) where na > 0 and nb > 0 $$;
    -- A listener by the methods of their candidates, and whatever those were.
    by_method constant text := 'join feedback.candidate_methods k using (release_id, listener_id)';
    both_ways constant text := 'grouping sets ((listener_id, k.method), (listener_id))';
    running text;
begin
    delete from feedback.cells where release_id = which;
    for m in select * from analytics.metrics where counted <> 'votes' loop
        select string_agg(format('coalesce(sum(%s) filter (where arm = %L), 0) as n%s,'
                                 ' coalesce(sum(%s) filter (where arm = %L), 0) as s%s', m.counted, arm, i, m.summed, arm, i), ', ')
        into arms from unnest(array['base', 'cold', 'champion', 'candidate']) with ordinality as a (arm, i);
        if pooled then
            perform feedback.add_cells(which, m.metric, format($$
                select listener_id, method, 'whole' as span, '' as style, date 'infinity' as day, p.arm, p.baseline,
                       na::bigint, %4$s * sa::float8 / na as a, nb::bigint, %4$s * sb::float8 / nb as b
                from (
                    select listener_id, coalesce(k.method, '') as method, %1$s
                    from feedback.rollups %2$s where %3$s > 0 group by %5$s
                ) summed $$ || pairs, arms, by_method, m.counted, m.scale, both_ways));
            continue;
        end if;
        select string_agg(format('sum(n%s) over till as n%s, sum(s%s) over till as s%s', i, i, i, i), ', ')
        into running from generate_series(1, 4) i;
        perform feedback.add_cells(which, m.metric, format($$
            with daily as materialized (
                select listener_id, style, day, %1$s from feedback.rollups
                where release_id = %2$L and %3$s > 0 group by grouping sets ((listener_id, day), (listener_id, style))
            )
            select listener_id, null as method, case when day is null then 'whole' else 'day' end as span,
                   coalesce(style, '') as style, coalesce(day, 'infinity') as day, p.arm, p.baseline, na::bigint,
                   %4$s * sa::float8 / na as a, nb::bigint, %4$s * sb::float8 / nb as b
            from daily $$ || pairs || $$
            union all
            select listener_id, null, 'step', '', day, p.arm, p.baseline, na::bigint, %4$s * sa::float8 / na, nb::bigint,
                   %4$s * sb::float8 / nb
            from (
                select listener_id, day, %5$s from daily where day is not null
                window till as (partition by listener_id order by day)
            ) summed $$ || pairs, arms, which, m.counted, m.scale, running));
    end loop;
    -- A vote compares by itself: its share for `arm`, ties halved, against one half. Its listener's votes count as one mean.
    if pooled then
        perform feedback.add_cells(which, 'pair_wins', format($$
            select listener_id, coalesce(k.method, '') as method, 'whole' as span, '' as style, date 'infinity' as day, arm,
                   baseline, sum(won + lost + tied + both_bad)::bigint as na,
                   (sum(won + (tied + both_bad) / 2.0) / sum(won + lost + tied + both_bad))::float8 as a, 0::bigint as nb,
                   0.5::float8 as b
            from feedback.vote_rollups join analytics.comparisons using (arm, baseline) %s
            where won + lost + tied + both_bad > 0
            group by arm, baseline, %s
        $$, by_method, both_ways));
        return;
    end if;
    perform feedback.add_cells(which, 'pair_wins', format($$
        with daily as materialized (
            select listener_id, day, arm, baseline, won + lost + tied + both_bad as n, won + (tied + both_bad) / 2.0 as s
            from feedback.vote_rollups join analytics.comparisons using (arm, baseline)
            where release_id = %L and won + lost + tied + both_bad > 0
        )
        select listener_id, null as method, 'day' as span, '' as style, day, arm, baseline, n::bigint as na,
               (s / n)::float8 as a, 0::bigint as nb, 0.5::float8 as b from daily
        union all
        select listener_id, null, 'step', '', day, arm, baseline, (sum(n) over till)::bigint,
               (sum(s) over till / sum(n) over till)::float8, 0::bigint, 0.5::float8
        from daily window till as (partition by listener_id, arm, baseline order by day)
    $$, which));
end
$body$;

-- As before (0074), and of all releases together.
create or replace function analytics.uplift_by(
    by_dimensions text[], which_metric text, which_arm text, which_baseline text, which_release uuid default null,
    per text default 'whole', until date default null
) returns table (
    cell text[], day date, hidden boolean, listeners bigint, observations bigint,
    d double precision, dd double precision, b double precision, bb double precision, db double precision
) language plpgsql stable security definer set jit = off set search_path = pg_catalog, pg_temp as $body$
declare
    release uuid := coalesce(which_release, '00000000-0000-0000-0000-000000000000');
    pooled boolean := release = analytics.every_release();
    forth boolean := exists (select from analytics.comparisons c where (c.arm, c.baseline) = (which_arm, which_baseline));
    back boolean := exists (select from analytics.comparisons c where (c.arm, c.baseline) = (which_baseline, which_arm));
    unknown text;
    least int := (select min_listeners from analytics.policy);
    keys text;
    source text;
begin
    select string_agg(x, ', ') into unknown from unnest(by_dimensions) x
    where not exists (select from analytics.dimensions where dimension = x);
    if unknown is not null then
        raise invalid_parameter_value using message = 'no such dimension: ' || unknown;
    elsif cardinality(by_dimensions) > 4 or (select count(distinct x) from unnest(by_dimensions) x) <> cardinality(by_dimensions) then
        raise invalid_parameter_value using message = 'at most four dimensions, each once';
    elsif not exists (select from analytics.metrics where metric = which_metric) then
        raise invalid_parameter_value using message = 'no such metric: ' || which_metric;
    elsif not (forth or back) then
        raise invalid_parameter_value using message = format('no such comparison: %s over %s', which_arm, which_baseline);
    elsif per not in ('whole', 'day', 'cumulative') then
        raise invalid_parameter_value using message = 'per is whole, day or cumulative';
    elsif (pooled or 'style' = any(by_dimensions)) and (per <> 'whole' or until is not null) then
        raise invalid_parameter_value using message = 'by style, and of all releases, there is the whole only';
    elsif pooled and array['style', 'tenure'] && by_dimensions then
        raise invalid_parameter_value using message = 'style and tenure are of one release';
    end if;
    keys := 'array[' || coalesce((select string_agg(format('%I', x), ', ' order by o)
                                  from unnest(by_dimensions) with ordinality as n (x, o)), '') || ']::text[]';
    source := format($$
        select %s as cell, case when %L = 'whole' then null else day end as day, sum(listeners)::bigint as n,
               sum(observations)::bigint as o, sum(d) as d, sum(dd) as dd, sum(b) as b, sum(bb) as bb, sum(db) as db
        from feedback.cells
        where release_id = %L and metric = %L and (arm, baseline) = (%L, %L) and span = %L
          and (%L::date is null or day <= %L::date) and (%L or (method <> '') = %L)
        group by 1, 2
    $$, keys, per, release, which_metric, case when forth then which_arm else which_baseline end,
        case when forth then which_baseline else which_arm end,
        case when pooled or 'style' = any(by_dimensions) then 'whole' when per = 'day' then 'day' else 'step' end, until, until,
        not pooled, 'method' = any(by_dimensions));
    if per = 'cumulative' then
        source := format($$
            with s as materialized (%s)
            select x.cell, y.day, sum(n) over w as n, sum(o) over w as o, sum(d) over w as d, sum(dd) over w as dd,
                   sum(b) over w as b, sum(bb) over w as bb, sum(db) over w as db
            from (select distinct cell from s) x cross join (select distinct day from s) y
            left join s z on z.cell = x.cell and z.day = y.day
            window w as (partition by x.cell order by y.day)
        $$, source);
    end if;
    return query execute format($$
        with summed as (
            select cell, day, n, o, d / 1e8 as d, dd / 1e16 as dd, b / 1e8 as b, bb / 1e16 as bb, db / 1e16 as db
            from (%1$s) s where n > 0
        ), beside as (
            select *, sum(n) over (partition by day order by n, cell %4$s) as p0,
                   sum(n) over (partition by day, cell[2:] order by n, cell %4$s) as p1,
                   sum(n) over (partition by day, cell[:1] || cell[3:] order by n, cell %4$s) as p2,
                   sum(n) over (partition by day, cell[:2] || cell[4:] order by n, cell %4$s) as p3,
                   sum(n) over (partition by day, cell[:3] order by n, cell %4$s) as p4
            from summed
        ), told as (
            select *, coalesce(n < %2$s or p0 < %2$s or (%3$s >= 2 and (p1 < %2$s or p2 < %2$s)) or (%3$s >= 3 and p3 < %2$s)
                               or (%3$s >= 4 and p4 < %2$s), false) as small from beside
        )
        select cell, day, small, case when not small then n::bigint end, case when not small then o::bigint end,
               case when not small then case when %5$L then d else -d end end::float8,
               case when not small then dd end::float8,
               case when not small then case when %5$L then b else b + d end end::float8,
               case when not small then case when %5$L then bb else bb + 2 * db + dd end end::float8,
               case when not small then case when %5$L then db else -db - dd end end::float8
        from told order by day, cell
    $$, source, least, cardinality(by_dimensions), 'rows between unbounded preceding and 1 preceding', forth);
end
$body$;

-- Cells of before have no method yet, and there are none of all releases.
insert into feedback.rollup_changes (release_id) select release_id from feedback.cell_refreshes;
