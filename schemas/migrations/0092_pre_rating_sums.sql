-- What a listener's ratings of a release add up to, one row with the sums of each arm: what uplift, standings and a canary's
-- evidence are asked of, so that they grow with listeners and not with ratings. Triggers on the roll-ups keep it in the
-- writer's transaction. Outside any release `release_id` is null: a question of one release finds its rows by the key.
create table feedback.rating_sums (
    release_id        uuid,
    listener_id       uuid   not null,
    base_ratings      int    not null,
    base_stars        bigint not null,
    base_squares      bigint not null,
    cold_ratings      int    not null,
    cold_stars        bigint not null,
    cold_squares      bigint not null,
    champion_ratings  int    not null,
    champion_stars    bigint not null,
    champion_squares  bigint not null,
    candidate_ratings int    not null,
    candidate_stars   bigint not null,
    candidate_squares bigint not null,
    previous_ratings  int    not null,
    previous_stars    bigint not null,
    previous_squares  bigint not null,
    unique nulls not distinct (release_id, listener_id)
) with (fillfactor = 80);
create index on feedback.rating_sums (listener_id);

-- A pattern for each of these sums, in their order: %1$s is the arm, %2$s what is summed.
create function feedback.each_rating_sum(pattern text) returns text language sql immutable as $$
    select string_agg(format(pattern, arm, summed), ', ' order by a, s)
    from unnest(array['base', 'cold', 'champion', 'candidate', 'previous']) with ordinality as arms (arm, a)
    cross join unnest(array['ratings', 'stars', 'squares']) with ordinality as sums (summed, s)
$$;

-- What the roll-ups say that the sums are.
do $do$ begin
    execute 'create view feedback.rating_sum_rows as
        select nullif(release_id, ''00000000-0000-0000-0000-000000000000'') as release_id, listener_id, '
        || feedback.each_rating_sum('coalesce(sum(%2$s) filter (where arm = %1$L), 0) as %1$s_%2$s')
        || ' from feedback.rollups where ratings > 0 group by rollups.release_id, listener_id';
end $do$;

create function feedback.keep_rating_sums() returns trigger language plpgsql set jit = off as $body$
declare
    moved text := feedback.signed_rows(tg_op);
    any_moved boolean;
begin
    execute 'select exists (select from ' || moved || ' m)' into any_moved;
    if not any_moved then
        return null;  -- an upsert fires both triggers, also the one that has nothing to do
    end if;
    execute $$
        insert into feedback.rating_sums as u
        select nullif(release_id, '00000000-0000-0000-0000-000000000000'), listener_id, $$
            || feedback.each_rating_sum('coalesce(sum(%2$s) filter (where arm = %1$L), 0)') || $$
        from (
            select release_id, listener_id, arm, sum(sign * ratings) as ratings, sum(sign * stars) as stars,
                   sum(sign * squares) as squares
            from $$ || moved || $$ m
            group by release_id, listener_id, arm
            having sum(sign * ratings) <> 0 or sum(sign * stars) <> 0 or sum(sign * squares) <> 0
        ) changed
        group by changed.release_id, listener_id
        order by 1, 2
        on conflict (release_id, listener_id) do update set $$
            || feedback.each_rating_sum('%1$s_%2$s = u.%1$s_%2$s + excluded.%1$s_%2$s');
    if tg_op = 'DELETE' then
        delete from feedback.rating_sums u using removed r
        where u.listener_id = r.listener_id
          and u.release_id is not distinct from nullif(r.release_id, '00000000-0000-0000-0000-000000000000')
          and (u.base_ratings, u.cold_ratings, u.champion_ratings, u.candidate_ratings, u.previous_ratings) = (0, 0, 0, 0, 0);
    end if;
    return null;
end
$body$;
create trigger summed after insert on feedback.rollups
referencing new table as added for each statement execute function feedback.keep_rating_sums();
create trigger summed_again after update on feedback.rollups
referencing old table as removed new table as added for each statement execute function feedback.keep_rating_sums();
create trigger summed_gone after delete on feedback.rollups
referencing old table as removed for each statement execute function feedback.keep_rating_sums();

insert into feedback.rating_sums select * from feedback.rating_sum_rows order by 1, 2;

-- As before, and the sums by listener with them.
create or replace function feedback.rebuild_rollups(only_listeners uuid[] default null) returns bigint language plpgsql
set jit = off as $$
declare
    written bigint;
begin
    lock table feedback.ratings, feedback.plays, feedback.pair_votes, feedback.tracks, feedback.track_failures
        in share row exclusive mode;
    delete from feedback.rollups where only_listeners is null or listener_id = any(only_listeners);
    delete from feedback.rating_sums where only_listeners is null or listener_id = any(only_listeners);
    delete from feedback.vote_rollups where only_listeners is null or listener_id = any(only_listeners);
    insert into feedback.rollups
    select release_id, listener_id, day, arm, version, style, sum(made), sum(drawn), sum(failed), sum(ratings), sum(stars),
           sum(squares), sum(started), sum(heard_ms), sum(heard_ppm), sum(skipped), sum(completed)
    from feedback.rollup_rows
    where only_listeners is null or listener_id = any(only_listeners)
    group by release_id, listener_id, day, arm, version, style
    order by release_id, listener_id, day;
    get diagnostics written = row_count;
    insert into feedback.vote_rollups
    select release_id, listener_id, day, arm, baseline, sum(won), sum(lost), sum(tied), sum(both_bad)
    from feedback.vote_rows
    where only_listeners is null or listener_id = any(only_listeners)
    group by release_id, listener_id, day, arm, baseline
    order by release_id, listener_id, day;
    return written;
end
$$;
