-- The triggers of 0071 and 0092 once more, each as a function for each kind of statement, so that what they do is planned once
-- a session and not with every batch. Tracks are found by their key however few there are, what was heard is added up
-- without calling a function for each row, and rows that came to nothing are known from the upsert itself.
do $do$
declare
    operation text;
    moved text;                                   -- the rows of a statement with the sign with which they count
    named text;                                   -- every key of them
    head constant text := $head$ returns trigger language plpgsql
        set jit = off set enable_hashjoin = off set enable_mergejoin = off as $body$
        declare
            emptied tid[];
        begin
            if not exists (select from %1$s) then
                return null;  -- an upsert fires both triggers, also the one that has nothing to do
            end if;
            insert into feedback.awaited
            select distinct track_id from %1$s m
            where not exists (select from feedback.tracks t where t.track_id = m.track_id)
            order by 1 on conflict do nothing;
        $head$;
    tail constant text := $tail$
                returning u.ctid as at, (u.made, u.failed, u.ratings, u.started) = (0, 0, 0, 0) as empty
            )
            select array_agg(at) into emptied from kept where empty;
            if emptied is not null then
                delete from feedback.rollups where ctid = any(emptied);
            end if;
            return null;
        end
        $body$ $tail$;
begin
    foreach operation in array array['INSERT', 'UPDATE', 'DELETE'] loop
        moved := feedback.signed_rows(operation);
        named := case operation when 'DELETE' then 'removed' else 'added' end;

        execute format('create function feedback.roll_up_ratings_%s()', lower(operation)) || format(head, named) || format($$
            with kept as (
                insert into feedback.rollups as u
                    (release_id, listener_id, day, arm, version, style, ratings, stars, squares)
                select k.release_id, k.listener_id, feedback.day_of(m.rated_at) as day, k.arm, k.version, k.style,
                       sum(sign) as ratings, sum(sign * m.stars) as stars, sum(sign * m.stars * m.stars) as squares
                from %s m join feedback.track_keys k on k.track_id = m.track_id
                where (k.listener_id = m.listener_id) is true
                group by k.release_id, k.listener_id, 3, k.arm, k.version, k.style
                having sum(sign) <> 0 or sum(sign * m.stars) <> 0 or sum(sign * m.stars * m.stars) <> 0
                order by 1, 2, 3, 4, 5, 6
                on conflict (release_id, listener_id, day, arm, version, style) do update
                set ratings = u.ratings + excluded.ratings, stars = u.stars + excluded.stars,
                    squares = u.squares + excluded.squares
            $$, moved) || tail;

        execute format('create function feedback.roll_up_plays_%s()', lower(operation)) || format(head, named) || format($$
            with kept as (
                insert into feedback.rollups as u
                    (release_id, listener_id, day, arm, version, style, started, heard_ms, heard_ppm, skipped, completed)
                select k.release_id, k.listener_id, feedback.day_of(m.first_at) as day, k.arm, k.version, k.style, sum(sign),
                       sum(sign * ms),
                       sum(sign * (least(ms::numeric / (seconds::numeric * 1000), 1) * 1000000)::bigint),
                       sum(sign * (ms < 5000 and ms < seconds * 950)::int), sum(sign * (ms >= seconds * 950)::int)
                from %s m join feedback.track_keys k on k.track_id = m.track_id
                cross join lateral (
                    select coalesce(sum(upper(r) - lower(r)), 0)::int as ms from unnest(m.heard) r
                ) heard
                where (k.listener_id = m.listener_id) is true and ms > 0
                group by k.release_id, k.listener_id, 3, k.arm, k.version, k.style
                having sum(sign) <> 0 or sum(sign * ms) <> 0
                order by 1, 2, 3, 4, 5, 6
                on conflict (release_id, listener_id, day, arm, version, style) do update
                set started = u.started + excluded.started, heard_ms = u.heard_ms + excluded.heard_ms,
                    heard_ppm = u.heard_ppm + excluded.heard_ppm, skipped = u.skipped + excluded.skipped,
                    completed = u.completed + excluded.completed
            $$, moved) || tail;

        execute format('create function feedback.keep_rating_sums_%s()', lower(operation))
            || ' returns trigger language plpgsql set jit = off as $body$ begin
            insert into feedback.rating_sums as u
            select nullif(release_id, ''00000000-0000-0000-0000-000000000000''), listener_id, '
            || feedback.each_rating_sum('coalesce(sum(%2$s) filter (where arm = %1$L), 0)') || format($$
            from (
                select release_id, listener_id, arm, sum(sign * ratings) as ratings, sum(sign * stars) as stars,
                       sum(sign * squares) as squares
                from %s m
                group by release_id, listener_id, arm
                having sum(sign * ratings) <> 0 or sum(sign * stars) <> 0 or sum(sign * squares) <> 0
            ) changed
            group by changed.release_id, listener_id
            order by 1, 2
            on conflict (release_id, listener_id) do update set $$, moved)
            || feedback.each_rating_sum('%1$s_%2$s = u.%1$s_%2$s + excluded.%1$s_%2$s') || ';'
            || case operation when 'DELETE' then $$
            delete from feedback.rating_sums u using removed r
            where u.listener_id = r.listener_id
              and u.release_id is not distinct from nullif(r.release_id, '00000000-0000-0000-0000-000000000000')
              and (u.base_ratings, u.cold_ratings, u.champion_ratings, u.candidate_ratings, u.previous_ratings)
                  = (0, 0, 0, 0, 0);
            $$ else '' end || ' return null; end $body$';

        execute format($$
            create function feedback.note_rollup_%s() returns trigger language plpgsql as $body$ begin
                insert into feedback.rollup_changes (release_id) select distinct release_id from %s m;
                return null;
            end $body$ $$, lower(operation), moved);
    end loop;
end
$do$;

create or replace trigger rolled_up after insert on feedback.ratings
referencing new table as added for each statement execute function feedback.roll_up_ratings_insert();
create or replace trigger rolled_up_again after update on feedback.ratings
referencing old table as removed new table as added for each statement execute function feedback.roll_up_ratings_update();
create or replace trigger rolled_back after delete on feedback.ratings
referencing old table as removed for each statement execute function feedback.roll_up_ratings_delete();

create or replace trigger rolled_up after insert on feedback.plays
referencing new table as added for each statement execute function feedback.roll_up_plays_insert();
create or replace trigger rolled_up_again after update on feedback.plays
referencing old table as removed new table as added for each statement execute function feedback.roll_up_plays_update();
create or replace trigger rolled_back after delete on feedback.plays
referencing old table as removed for each statement execute function feedback.roll_up_plays_delete();

create or replace trigger summed after insert on feedback.rollups
referencing new table as added for each statement execute function feedback.keep_rating_sums_insert();
create or replace trigger summed_again after update on feedback.rollups
referencing old table as removed new table as added for each statement execute function feedback.keep_rating_sums_update();
create or replace trigger summed_gone after delete on feedback.rollups
referencing old table as removed for each statement execute function feedback.keep_rating_sums_delete();

create or replace trigger noted after insert on feedback.rollups
referencing new table as added for each statement execute function feedback.note_rollup_insert();
create or replace trigger noted_again after update on feedback.rollups
referencing old table as removed new table as added for each statement execute function feedback.note_rollup_update();
create or replace trigger noted_gone after delete on feedback.rollups
referencing old table as removed for each statement execute function feedback.note_rollup_delete();

create or replace trigger noted after insert on feedback.vote_rollups
referencing new table as added for each statement execute function feedback.note_rollup_insert();
create or replace trigger noted_again after update on feedback.vote_rollups
referencing old table as removed new table as added for each statement execute function feedback.note_rollup_update();
create or replace trigger noted_gone after delete on feedback.vote_rollups
referencing old table as removed for each statement execute function feedback.note_rollup_delete();

drop function feedback.roll_up_ratings, feedback.roll_up_plays, feedback.keep_rating_sums, feedback.note_rollup_change;
