-- Cells: for each crossing of what listeners told of themselves, the sums over its listeners from which every comparison of
-- two arms follows. Made from the roll-ups, release by release, by whoever keeps them; `feedback.cell_refreshes` says of
-- when they are. Differences are whole numbers of 1e-8 of a unit, so that sums are exact.

-- What may be asked by. A listener's are what they told of themselves, and how long they had been one when the release
-- began; `style` is a track's.
create view analytics.dimensions (dimension, about) as
values ('country', 'listener'), ('age_band', 'listener'), ('taste', 'listener'), ('device', 'listener'),
       ('home', 'listener'), ('tenure', 'listener'), ('style', 'track');

-- What is compared, and its unit. `counted` and `summed` are columns of `feedback.rollups`; a mean is their quotient.
create table analytics.metrics (
    metric  text primary key,
    unit    text not null,
    counted text not null,
    summed  text not null,
    scale   double precision not null              -- of `summed` in units
);
insert into analytics.metrics values
    ('stars', 'stars', 'ratings', 'stars', 1),
    ('heard_share', 'share of the track', 'started', 'heard_ppm', 1e-6),
    ('early_skip', 'share of started tracks', 'started', 'skipped', 1),
    ('completion', 'share of started tracks', 'started', 'completed', 1),
    ('pair_wins', 'share of votes', 'votes', 'won', 1);

create function analytics.tenure(since timestamptz, began timestamptz) returns text language sql immutable parallel safe
as $$
    select case when began is null                          then 'unknown'
                when began - since < interval '7 days'  then 'first week'
                when began - since < interval '28 days' then 'first month'
                when began - since < interval '91 days' then 'first quarter'
                else 'older' end
$$;

create view analytics.traits as
select listener_id, coalesce(attributes ->> 'country', 'unknown') as country,
       coalesce(attributes ->> 'age_band', 'unknown') as age_band, coalesce(attributes ->> 'taste', 'unknown') as taste,
       coalesce(attributes ->> 'device', 'unknown') as device, coalesce(attributes ->> 'home', 'unknown') as home, created_at
from gateway.listeners;

-- Spans: `step` is what a day changed in the differences over all days until then, so that steps add up to the whole or to
-- any day; `day` is the difference within a day alone; `whole` is that within one style of prompt, over all days.
create table feedback.cells (
    release_id   uuid    not null,
    metric       text    not null,
    arm          text    not null,
    baseline     text    not null,
    span         text    not null check (span in ('step', 'day', 'whole')),
    style        text    not null,
    day          date    not null,
    country      text    not null,
    age_band     text    not null,
    taste        text    not null,
    device       text    not null,
    home         text    not null,
    tenure       text    not null,
    listeners    int     not null,
    observations bigint  not null,                  -- on both arms
    d            numeric not null,                  -- sum over listeners of mean on `arm` less mean on `baseline`
    dd           numeric not null,                  -- of its square
    b            numeric not null,                  -- of the mean on `baseline`
    bb           numeric not null,
    db           numeric not null
);
create index on feedback.cells (release_id, span, metric, arm, baseline, style);

create table feedback.cell_refreshes (
    release_id uuid             primary key,
    as_of      timestamptz      not null,
    seconds    double precision not null
);

-- Feedback of listeners who say something else of themselves now belongs to other cells.
create function feedback.note_traits_change() returns trigger language plpgsql as $$
begin
    insert into feedback.rollup_changes (release_id)
    select distinct release_id from feedback.rollups where listener_id = any(array(select listener_id from added));
    return null;
end
$$;
create trigger noted after update on gateway.listeners
referencing new table as added for each statement execute function feedback.note_traits_change();

-- Adds the cells of rows of compared means, given as a query of (listener_id, span, style, day, arm, baseline, na, a, nb, b).
create function feedback.add_cells(which uuid, which_metric text, compared text) returns void language plpgsql as $body$
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
               sum(d0 * d0 - d1 * d1), sum(b0 - b1), sum(b0 * b0 - b1 * b1), sum(d0 * b0 - d1 * b1)
        from moved m
        join analytics.traits t using (listener_id)
        left join rollout.releases r on r.release_id = $1
        group by m.arm, m.baseline, m.span, m.style, m.day, t.country, t.age_band, t.taste, t.device, t.home, 13
    $$ using which, which_metric;
end
$body$;

create function feedback.refresh_cells(which uuid) returns void language plpgsql set jit = off as $body$
declare
    m analytics.metrics;
    arms text;
    pairs constant text := $$ cross join lateral (values
        ('candidate', 'cold', n4, s4, n2, s2), ('champion', 'cold', n3, s3, n2, s2), ('candidate', 'champion', n4, s4, n3, s3),
        ('candidate', 'base', n4, s4, n1, s1), ('champion', 'base', n3, s3, n1, s1), ('cold', 'base', n2, s2, n1, s1)
    ) p (arm, baseline, na, sa, nb, sb) where na > 0 and nb > 0 $$;
    running text;
begin
    delete from feedback.cells where release_id = which;
    for m in select * from analytics.metrics where counted <> 'votes' loop
        select string_agg(format('coalesce(sum(%s) filter (where arm = %L), 0) as n%s,'
                                 ' coalesce(sum(%s) filter (where arm = %L), 0) as s%s', m.counted, arm, i, m.summed, arm, i), ', ')
        into arms from unnest(array['base', 'cold', 'champion', 'candidate']) with ordinality as a (arm, i);
        select string_agg(format('sum(n%s) over till as n%s, sum(s%s) over till as s%s', i, i, i, i), ', ')
        into running from generate_series(1, 4) i;
        perform feedback.add_cells(which, m.metric, format($$
            with daily as materialized (
                select listener_id, style, day, %1$s from feedback.rollups
                where release_id = %2$L and %3$s > 0 group by grouping sets ((listener_id, day), (listener_id, style))
            )
            select listener_id, case when day is null then 'whole' else 'day' end as span, coalesce(style, '') as style,
                   coalesce(day, 'infinity') as day, p.arm, p.baseline, na::bigint, %4$s * sa::float8 / na as a, nb::bigint,
                   %4$s * sb::float8 / nb as b
            from daily $$ || pairs || $$
            union all
            select listener_id, 'step', '', day, p.arm, p.baseline, na::bigint, %4$s * sa::float8 / na, nb::bigint,
                   %4$s * sb::float8 / nb
            from (
                select listener_id, day, %5$s from daily where day is not null
                window till as (partition by listener_id order by day)
            ) summed $$ || pairs, arms, which, m.counted, m.scale, running));
    end loop;
    -- A vote compares by itself: its share for `arm`, ties halved, against one half. Its listener's votes count as one mean.
    perform feedback.add_cells(which, 'pair_wins', format($$
        with daily as materialized (
            select listener_id, day, arm, baseline, won + lost + tied + both_bad as n, won + (tied + both_bad) / 2.0 as s
            from feedback.vote_rollups join analytics.comparisons using (arm, baseline)
            where release_id = %L and won + lost + tied + both_bad > 0
        )
        select listener_id, 'day' as span, '' as style, day, arm, baseline, n::bigint as na, (s / n)::float8 as a,
               0::bigint as nb, 0.5::float8 as b from daily
        union all
        select listener_id, 'step', '', day, arm, baseline, (sum(n) over till)::bigint,
               (sum(s) over till / sum(n) over till)::float8, 0::bigint, 0.5::float8
        from daily window till as (partition by listener_id, arm, baseline order by day)
    $$, which));
end
$body$;
