-- The roll-ups are kept by triggers in the writer's transaction, as the counts of events are: right whichever version of
-- the aggregator writes. What is counted is the difference that a statement made.

-- Statements are short: compiling them takes longer than they do.

-- The rows of a statement with the sign with which they count.
create function feedback.signed_rows(operation text) returns text language sql immutable as $$
    select case operation
        when 'INSERT' then '(select 1 as sign, * from added)'
        when 'DELETE' then '(select -1 as sign, * from removed)'
        else '(select 1 as sign, * from added union all select -1, * from removed)' end
$$;

create function feedback.roll_up_ratings() returns trigger language plpgsql set jit = off as $body$
declare
    moved text := feedback.signed_rows(tg_op);
    any_moved boolean;
begin
    execute 'select exists (select from ' || moved || ' m)' into any_moved;
    if not any_moved then
        return null;  -- an upsert fires both triggers, also the one that has nothing to do
    end if;
    execute 'insert into feedback.awaited select distinct track_id from ' || moved || ' m'
        ' where not exists (select from feedback.tracks t where t.track_id = m.track_id) order by 1 on conflict do nothing';
    execute $$
        insert into feedback.rollups as u (release_id, listener_id, day, arm, version, style, ratings, stars, squares)
        select k.release_id, k.listener_id, feedback.day_of(m.rated_at) as day, k.arm, k.version, k.style,
               sum(sign) as ratings, sum(sign * m.stars) as stars, sum(sign * m.stars * m.stars) as squares
        from $$ || moved || $$ m join feedback.track_keys k on k.track_id = m.track_id
        where k.listener_id = m.listener_id
        group by k.release_id, k.listener_id, 3, k.arm, k.version, k.style
        having sum(sign) <> 0 or sum(sign * m.stars) <> 0 or sum(sign * m.stars * m.stars) <> 0
        order by 1, 2, 3, 4, 5, 6
        on conflict (release_id, listener_id, day, arm, version, style) do update
        set ratings = u.ratings + excluded.ratings, stars = u.stars + excluded.stars, squares = u.squares + excluded.squares
    $$;
    if tg_op <> 'INSERT' then
        delete from feedback.rollups u using removed m, feedback.track_keys k
        where k.track_id = m.track_id and u.release_id = k.release_id and u.listener_id = k.listener_id
          and u.day = feedback.day_of(m.rated_at) and (u.made, u.failed, u.ratings, u.started) = (0, 0, 0, 0);
    end if;
    return null;
end
$body$;

create function feedback.roll_up_plays() returns trigger language plpgsql set jit = off as $body$
declare
    moved text := feedback.signed_rows(tg_op);
    any_moved boolean;
begin
    execute 'select exists (select from ' || moved || ' m)' into any_moved;
    if not any_moved then
        return null;  -- an upsert fires both triggers, also the one that has nothing to do
    end if;
    execute 'insert into feedback.awaited select distinct track_id from ' || moved || ' m'
        ' where not exists (select from feedback.tracks t where t.track_id = m.track_id) order by 1 on conflict do nothing';
    execute $$
        insert into feedback.rollups as u
            (release_id, listener_id, day, arm, version, style, started, heard_ms, heard_ppm, skipped, completed)
        select release_id, listener_id, day, arm, version, style, sum(sign), sum(sign * ms),
               sum(sign * (least(ms::numeric / (seconds::numeric * 1000), 1) * 1000000)::bigint),
               sum(sign * (ms < 5000 and ms < seconds * 950)::int), sum(sign * (ms >= seconds * 950)::int)
        from (
            select k.*, feedback.day_of(m.first_at) as day, m.sign, feedback.heard_ms(m.heard) as ms
            from $$ || moved || $$ m join feedback.track_keys k on k.track_id = m.track_id
            where k.listener_id = m.listener_id
            offset 0  -- keeps the subquery apart, so that what was heard is added up once
        ) heard
        where ms > 0
        group by release_id, listener_id, day, arm, version, style
        having sum(sign) <> 0 or sum(sign * ms) <> 0
        order by 1, 2, 3, 4, 5, 6
        on conflict (release_id, listener_id, day, arm, version, style) do update
        set started = u.started + excluded.started, heard_ms = u.heard_ms + excluded.heard_ms,
            heard_ppm = u.heard_ppm + excluded.heard_ppm, skipped = u.skipped + excluded.skipped,
            completed = u.completed + excluded.completed
    $$;
    if tg_op = 'UPDATE' then
        select exists (
            select from removed r join added a using (listener_id, track_id)
            where feedback.day_of(r.first_at) <> feedback.day_of(a.first_at)
        ) into any_moved;
    end if;
    if tg_op <> 'INSERT' and any_moved then
        delete from feedback.rollups u using removed m, feedback.track_keys k
        where k.track_id = m.track_id and u.release_id = k.release_id and u.listener_id = k.listener_id
          and u.day = feedback.day_of(m.first_at) and (u.made, u.failed, u.ratings, u.started) = (0, 0, 0, 0);
    end if;
    return null;
end
$body$;

create function feedback.roll_up_failures() returns trigger language plpgsql as $body$
begin
    execute $$
        insert into feedback.rollups as u (release_id, listener_id, day, arm, version, style, failed)
        select coalesce(release_id, '00000000-0000-0000-0000-000000000000'), listener_id, feedback.day_of(failed_at), arm, 0,
               'none', sum(sign)
        from $$ || feedback.signed_rows(tg_op) || $$ m
        group by 1, 2, 3, 4
        having sum(sign) <> 0
        order by 1, 2, 3, 4
        on conflict (release_id, listener_id, day, arm, version, style) do update set failed = u.failed + excluded.failed
    $$;
    if tg_op <> 'INSERT' then
        delete from feedback.rollups u using removed m
        where u.release_id = coalesce(m.release_id, '00000000-0000-0000-0000-000000000000') and u.listener_id = m.listener_id
          and u.day = feedback.day_of(m.failed_at) and (u.made, u.failed, u.ratings, u.started) = (0, 0, 0, 0);
    end if;
    return null;
end
$body$;

create function feedback.roll_up_votes() returns trigger language plpgsql set jit = off as $body$
declare
    moved text := feedback.signed_rows(tg_op);
    any_moved boolean;
begin
    execute 'select exists (select from ' || moved || ' m)' into any_moved;
    if not any_moved then
        return null;  -- an upsert fires both triggers, also the one that has nothing to do
    end if;
    execute 'insert into feedback.awaited select distinct pair_id from ' || moved || ' m'
        ' where 2 > (select count(*) from gateway.pairs p join feedback.tracks t on t.track_id in (p.first_track, p.second_track)'
        '            where p.pair_id = m.pair_id) order by 1 on conflict do nothing';
    execute $$
        insert into feedback.vote_rollups as u (release_id, listener_id, day, arm, baseline, won, lost, tied, both_bad)
        select coalesce(a.release_id, '00000000-0000-0000-0000-000000000000'), m.listener_id, feedback.day_of(m.voted_at),
               a.arm, b.arm, sum(sign * (m.choice = side)::int),
               sum(sign * (m.choice in ('first', 'second') and m.choice <> side)::int),
               sum(sign * (m.choice = 'tie')::int), sum(sign * (m.choice = 'both_bad')::int)
        from $$ || moved || $$ m
        join gateway.pairs p using (pair_id, listener_id)
        cross join lateral (values ('first', p.first_track, p.second_track), ('second', p.second_track, p.first_track))
            as s (side, own, other)
        join feedback.tracks a on a.track_id = s.own
        join feedback.tracks b on b.track_id = s.other
        group by 1, 2, 3, 4, 5
        order by 1, 2, 3, 4, 5
        on conflict (release_id, listener_id, day, arm, baseline) do update
        set won = u.won + excluded.won, lost = u.lost + excluded.lost, tied = u.tied + excluded.tied,
            both_bad = u.both_bad + excluded.both_bad
    $$;
    if tg_op <> 'INSERT' then
        delete from feedback.vote_rollups u using removed m
        where u.listener_id = m.listener_id and u.day = feedback.day_of(m.voted_at)
          and (u.won, u.lost, u.tied, u.both_bad) = (0, 0, 0, 0);
    end if;
    return null;
end
$body$;

-- A new track brings what it adds itself, and the feedback that came before it.
create function feedback.roll_up_tracks() returns trigger language plpgsql set jit = off as $$
begin
    insert into feedback.awaited
    select track_id from added union select pair_id from added where pair_id is not null order by 1
    on conflict do nothing;
    insert into feedback.rollups as u
    select release_id, listener_id, day, arm, version, style, sum(made), sum(drawn), sum(failed), sum(ratings), sum(stars),
           sum(squares), sum(started), sum(heard_ms), sum(heard_ppm), sum(skipped), sum(completed)
    from feedback.rollup_rows
    where track_id = any(array(select track_id from added)) and failed = 0
    group by release_id, listener_id, day, arm, version, style
    order by 1, 2, 3, 4, 5, 6
    on conflict (release_id, listener_id, day, arm, version, style) do update
    set made = u.made + excluded.made, drawn = u.drawn + excluded.drawn, ratings = u.ratings + excluded.ratings,
        stars = u.stars + excluded.stars, squares = u.squares + excluded.squares, started = u.started + excluded.started,
        heard_ms = u.heard_ms + excluded.heard_ms, heard_ppm = u.heard_ppm + excluded.heard_ppm,
        skipped = u.skipped + excluded.skipped, completed = u.completed + excluded.completed;
    insert into feedback.vote_rollups as u
    select release_id, listener_id, day, arm, baseline, sum(won), sum(lost), sum(tied), sum(both_bad)
    from feedback.vote_rows
    where pair_id = any(array(select pair_id from added where pair_id is not null))
    group by release_id, listener_id, day, arm, baseline
    order by 1, 2, 3, 4, 5
    on conflict (release_id, listener_id, day, arm, baseline) do update
    set won = u.won + excluded.won, lost = u.lost + excluded.lost, tied = u.tied + excluded.tied,
        both_bad = u.both_bad + excluded.both_bad;
    delete from feedback.awaited
    where id = any(array(select track_id from added union all select pair_id from added where pair_id is not null));
    return null;
end
$$;

-- Seldom: a track was made twice, or what had been folded is folded anew. The listener's rows are made from the facts,
-- after every writer of feedback has come to its end.
create function feedback.hold_feedback() returns trigger language plpgsql as $$
begin
    lock table feedback.ratings, feedback.plays, feedback.pair_votes in share row exclusive mode;
    return case when tg_op = 'DELETE' then old else new end;
end
$$;

create function feedback.roll_up_again() returns trigger language plpgsql as $body$
declare
    changed uuid[];
begin
    execute 'select array_agg(distinct listener_id) from ' || feedback.signed_rows(tg_op) || ' m' into changed;
    if changed is not null then
        perform feedback.rebuild_rollups(changed);
    end if;
    return null;
end
$body$;

create trigger rolled_up after insert on feedback.ratings
referencing new table as added for each statement execute function feedback.roll_up_ratings();
create trigger rolled_up_again after update on feedback.ratings
referencing old table as removed new table as added for each statement execute function feedback.roll_up_ratings();
create trigger rolled_back after delete on feedback.ratings
referencing old table as removed for each statement execute function feedback.roll_up_ratings();

create trigger rolled_up after insert on feedback.plays
referencing new table as added for each statement execute function feedback.roll_up_plays();
create trigger rolled_up_again after update on feedback.plays
referencing old table as removed new table as added for each statement execute function feedback.roll_up_plays();
create trigger rolled_back after delete on feedback.plays
referencing old table as removed for each statement execute function feedback.roll_up_plays();

create trigger rolled_up after insert on feedback.track_failures
referencing new table as added for each statement execute function feedback.roll_up_failures();
create trigger rolled_up_again after update on feedback.track_failures
referencing old table as removed new table as added for each statement execute function feedback.roll_up_failures();
create trigger rolled_back after delete on feedback.track_failures
referencing old table as removed for each statement execute function feedback.roll_up_failures();

create trigger rolled_up after insert on feedback.pair_votes
referencing new table as added for each statement execute function feedback.roll_up_votes();
create trigger rolled_up_again after update on feedback.pair_votes
referencing old table as removed new table as added for each statement execute function feedback.roll_up_votes();
create trigger rolled_back after delete on feedback.pair_votes
referencing old table as removed for each statement execute function feedback.roll_up_votes();

create trigger held before update on feedback.tracks
for each row when (
    (old.track_id, old.listener_id, old.arm, old.propensity, old.release_id, old.model_version, old.pair_id, old.prompt,
    old.seconds, old.features_url, old.sha256, old.made_at)
    is distinct from
    (new.track_id, new.listener_id, new.arm, new.propensity, new.release_id, new.model_version, new.pair_id, new.prompt,
    new.seconds, new.features_url, new.sha256, new.made_at)
) execute function feedback.hold_feedback();  -- each by its name: a dump with old.* beside generated columns is not restored
create trigger held_too before delete on feedback.tracks for each row execute function feedback.hold_feedback();
create trigger rolled_up after insert on feedback.tracks
referencing new table as added for each statement execute function feedback.roll_up_tracks();
create trigger rolled_up_again after update on feedback.tracks
referencing old table as removed new table as added for each statement execute function feedback.roll_up_again();
create trigger rolled_back after delete on feedback.tracks
referencing old table as removed for each statement execute function feedback.roll_up_again();

select feedback.rebuild_rollups();

create function feedback.note_rollup_change() returns trigger language plpgsql as $body$
begin
    execute 'insert into feedback.rollup_changes (release_id) select distinct release_id from '
        || feedback.signed_rows(tg_op) || ' m';
    return null;
end
$body$;
create trigger noted after insert on feedback.rollups
referencing new table as added for each statement execute function feedback.note_rollup_change();
create trigger noted_again after update on feedback.rollups
referencing old table as removed new table as added for each statement execute function feedback.note_rollup_change();
create trigger noted_gone after delete on feedback.rollups
referencing old table as removed for each statement execute function feedback.note_rollup_change();
create trigger noted after insert on feedback.vote_rollups
referencing new table as added for each statement execute function feedback.note_rollup_change();
create trigger noted_again after update on feedback.vote_rollups
referencing old table as removed new table as added for each statement execute function feedback.note_rollup_change();
create trigger noted_gone after delete on feedback.vote_rollups
referencing old table as removed for each statement execute function feedback.note_rollup_change();
insert into feedback.rollup_changes (release_id) select distinct release_id from feedback.rollups;

-- The same numbers as before, from the roll-ups.
create or replace view analytics.listener_means as
select nullif(release_id, '00000000-0000-0000-0000-000000000000') as release_id, listener_id, arm,
       sum(stars)::double precision / sum(ratings) as mean, sum(ratings)::int as ratings
from feedback.rollups
where ratings > 0
group by rollups.release_id, listener_id, arm;
