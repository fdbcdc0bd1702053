-- An upsert of tracks fires its trigger for what it changed before that for what it added. The first makes a listener's
-- rows again from all facts, those that were just added among them; so the second leaves that listener alone.

create function feedback.begin_tracks() returns trigger language plpgsql as $$
begin
    perform set_config('encore.rolled_up_again', '{}', true);
    return null;
end
$$;
create trigger begun before insert on feedback.tracks for each statement execute function feedback.begin_tracks();

create or replace function feedback.roll_up_again() returns trigger language plpgsql as $body$
declare
    changed uuid[];
begin
    execute 'select array_agg(distinct listener_id) from ' || feedback.signed_rows(tg_op) || ' m' into changed;
    if changed is not null then
        perform feedback.rebuild_rollups(changed);
        perform set_config('encore.rolled_up_again', changed::text, true);
    end if;
    return null;
end
$body$;

create or replace function feedback.roll_up_tracks() returns trigger language plpgsql set jit = off as $$
declare
    done uuid[] := current_setting('encore.rolled_up_again')::uuid[];
begin
    insert into feedback.awaited
    select track_id from added union select pair_id from added where pair_id is not null order by 1
    on conflict do nothing;
    insert into feedback.rollups as u
    select release_id, listener_id, day, arm, version, style, sum(made), sum(drawn), sum(failed), sum(ratings), sum(stars),
           sum(squares), sum(started), sum(heard_ms), sum(heard_ppm), sum(skipped), sum(completed)
    from feedback.rollup_rows
    where track_id = any(array(select track_id from added)) and failed = 0 and listener_id <> all(done)
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
    where pair_id = any(array(select pair_id from added where pair_id is not null)) and listener_id <> all(done)
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

-- What was counted twice until now.
select feedback.rebuild_rollups();
