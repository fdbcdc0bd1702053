-- As before, and what was heard of a play is added up once and not where each of its uses stands: `offset 0` keeps the
-- subquery apart. And of ratings that change against one another in one statement, the squares change though their sum
-- does not; the sums of a database in which that happened are made anew.
create or replace function feedback.roll_up_plays() returns trigger language plpgsql set jit = off as $body$
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
            offset 0
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

create or replace function feedback.roll_up_ratings() returns trigger language plpgsql set jit = off as $body$
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

select feedback.rebuild_rollups();
