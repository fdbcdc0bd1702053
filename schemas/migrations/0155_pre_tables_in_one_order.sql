-- Whoever locks the tables of feedback whole does so in the order in which a batch writes to them (`tables.sql`), and,
-- where it writes to them too, before it does: of two who wrote and then want a table for themselves neither would go on.

create function feedback.hold_facts() returns void language plpgsql as $$
begin
    lock table feedback.plays, feedback.ratings, feedback.pair_votes in share row exclusive mode;
end
$$;

create or replace function feedback.hold_feedback() returns trigger language plpgsql as $$
begin
    perform feedback.hold_facts();
    return case when tg_op = 'DELETE' then old else new end;
end
$$;

create or replace function feedback.rebuild_rollups(only_listeners uuid[] default null) returns bigint
language plpgsql set jit = off as $$
declare
    written bigint;
begin
    lock table feedback.plays, feedback.ratings, feedback.pair_votes, feedback.tracks, feedback.track_failures
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
