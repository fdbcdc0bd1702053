-- Uplift by any crossing of dimensions, from the cells; small cells hidden in the view itself.

-- How few listeners are too few to be told apart from. One row; who runs the platform may raise it.
create table analytics.policy (
    only_row      boolean primary key default true check (only_row),
    min_listeners int not null default 10 check (min_listeners >= 1)
);
insert into analytics.policy default values;

-- One row for each value of the crossing (`by`, in its order) and, for a `per` of 'day' or 'cumulative', each day. Sums are
-- in units and over listeners: d is mean on arm less mean on baseline. A cell is hidden (all but its name null) when it has
-- fewer listeners than the policy allows, or when what is hidden beside it in its row, column or whole is: it would follow
-- by subtraction. Arms may be named in either order. Raises 22023 for what is not on the lists.
create function analytics.uplift_by(
    by_dimensions text[], which_metric text, which_arm text, which_baseline text, which_release uuid default null,
    per text default 'whole', until date default null
) returns table (
    cell text[], day date, hidden boolean, listeners bigint, observations bigint,
    d double precision, dd double precision, b double precision, bb double precision, db double precision
) language plpgsql stable set jit = off as $body$
declare
    release uuid := coalesce(which_release, '00000000-0000-0000-0000-000000000000');
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
    elsif 'style' = any(by_dimensions) and (per <> 'whole' or until is not null) then
        raise invalid_parameter_value using message = 'by style there is the whole only';
    end if;
    keys := 'array[' || coalesce((select string_agg(format('%I', x), ', ' order by o)
                                  from unnest(by_dimensions) with ordinality as n (x, o)), '') || ']::text[]';
    source := format($$
        select %s as cell, case when %L = 'whole' then null else day end as day, sum(listeners)::bigint as n,
               sum(observations)::bigint as o, sum(d) as d, sum(dd) as dd, sum(b) as b, sum(bb) as bb, sum(db) as db
        from feedback.cells
        where release_id = %L and metric = %L and (arm, baseline) = (%L, %L) and span = %L
          and (%L::date is null or day <= %L::date)
        group by 1, 2
    $$, keys, per, release, which_metric, case when forth then which_arm else which_baseline end,
        case when forth then which_baseline else which_arm end,
        case when 'style' = any(by_dimensions) then 'whole' when per = 'day' then 'day' else 'step' end, until, until);
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
