-- Roll-ups: what feedback adds up to by listener, release, arm, version, style of the prompt and day (UTC). Whole numbers
-- only, so that any order of events, any batching and a rebuild give the same digits.

create function feedback.day_of(moment timestamptz) returns date language sql immutable parallel safe as $$
    select (moment at time zone 'UTC')::date
$$;

-- Of `listener-<listener>/<number>` the number; 0: no adapter of the listener's own.
create function feedback.version_of(listener_id uuid, model_version text) returns int language sql immutable parallel safe
as $$
    select case when model_version ~ ('^listener-' || listener_id || '/[0-9]{1,9}$')
                then split_part(model_version, '/', 2)::int else 0 end
$$;

-- The first of a closed list that a prompt has a word of; `other` where it has none, `none` without a prompt.
create function feedback.style_of(prompt text) returns text language sql immutable parallel safe as $$
    select case
        when btrim(prompt) = ''                                   then 'none'
        when prompt ~* '\m(jazz|swing|blues|saxophone)'           then 'jazz'
        when prompt ~* '\m(rock|metal|distorted|overdriven)'      then 'rock'
        when prompt ~* '\m(march|brass|trumpet|trombone)'         then 'brass'
        when prompt ~* '\m(folk|reel|jig|fiddle|banjo|accordion)' then 'folk'
        when prompt ~* '\m(ambient|dreamy|drone)'                 then 'ambient'
        when prompt ~* '\m(electronic|synth|techno|house)'        then 'electronic'
        when prompt ~* '\m(chorale|choir|organ|hymn)'             then 'choral'
        when prompt ~* '\m(guitar)'                               then 'guitar'
        when prompt ~* '\m(piano|harpsichord)'                    then 'piano'
        when prompt ~* '\m(flute|air|whistle|oboe|clarinet)'      then 'woodwind'
        when prompt ~* '\m(strings|violin|cello|orchestra)'       then 'strings'
        else 'other' end
$$;

create function feedback.heard_ms(heard int4multirange) returns int language sql immutable parallel safe as $$
    select coalesce(sum(upper(r) - lower(r)), 0)::int from unnest(heard) r
$$;

-- A release that is none, the time outside any canary, is written as zeros: it is part of a key.
create table feedback.rollups (
    release_id  uuid not null,
    listener_id uuid not null,
    day         date not null,
    arm         text not null,
    version     int  not null,
    style       text not null,
    made        int    not null default 0,
    drawn       int    not null default 0,       -- of `made`, those that are no half of a pair
    failed      int    not null default 0,
    ratings     int    not null default 0,
    stars       bigint not null default 0,       -- their sum
    squares     bigint not null default 0,       -- the sum of their squares
    started     int    not null default 0,
    heard_ms    bigint not null default 0,
    heard_ppm   bigint not null default 0,       -- sum over started tracks of the share that was heard, in millionths
    skipped     int    not null default 0,
    completed   int    not null default 0,
    primary key (release_id, listener_id, day, arm, version, style)
) with (fillfactor = 80);
create index on feedback.rollups (listener_id);

-- Votes on pairs, each from both sides.
create table feedback.vote_rollups (
    release_id  uuid not null,
    listener_id uuid not null,
    day         date not null,
    arm         text not null,
    baseline    text not null,
    won         int  not null default 0,
    lost        int  not null default 0,
    tied        int  not null default 0,
    both_bad    int  not null default 0,
    primary key (release_id, listener_id, day, arm, baseline)
) with (fillfactor = 80);
create index on feedback.vote_rollups (listener_id);

-- Which releases changed since somebody last looked; who looks takes away what they saw.
create table feedback.rollup_changes (
    release_id uuid        not null,
    at         timestamptz not null default clock_timestamp()
);

-- Tracks and pairs that feedback came for before they were known. Two transactions of which one brings a track and the
-- other its feedback both write its id here, so that one waits for the other and sees it.
create table feedback.awaited (id uuid primary key);

-- The style of a prompt and the number of a version are found once, when a track comes, and not with each feedback on it:
-- looking for words cost more than all the rest.
alter table feedback.tracks
    add column style       text generated always as (feedback.style_of(prompt)) stored,
    add column own_version int  generated always as (feedback.version_of(listener_id, model_version)) stored;

create view feedback.track_keys as
select track_id, listener_id, coalesce(release_id, '00000000-0000-0000-0000-000000000000') as release_id, arm,
       own_version as version, style, seconds, pair_id, made_at
from feedback.tracks;

-- What each fact adds. The roll-ups are the sums of these rows by their key, always.
create view feedback.rollup_rows as
select k.track_id, k.release_id, k.listener_id, feedback.day_of(k.made_at) as day, k.arm, k.version, k.style,
       1 as made, (k.pair_id is null)::int as drawn, 0 as failed, 0 as ratings, 0 as stars, 0 as squares,
       0 as started, 0 as heard_ms, 0::bigint as heard_ppm, 0 as skipped, 0 as completed
from feedback.track_keys k
union all
select r.track_id, k.release_id, k.listener_id, feedback.day_of(r.rated_at), k.arm, k.version, k.style,
       0, 0, 0, 1, r.stars, r.stars * r.stars, 0, 0, 0, 0, 0
from feedback.ratings r join feedback.track_keys k using (track_id)
where r.listener_id = k.listener_id
union all
select p.track_id, k.release_id, k.listener_id, feedback.day_of(p.first_at), k.arm, k.version, k.style,
       0, 0, 0, 0, 0, 0, 1, ms, (least(ms::numeric / (k.seconds::numeric * 1000), 1) * 1000000)::bigint,
       (ms < 5000 and ms < k.seconds * 950)::int, (ms >= k.seconds * 950)::int
from feedback.plays p join feedback.track_keys k using (track_id)
cross join lateral (select feedback.heard_ms(p.heard) as ms) h
where p.listener_id = k.listener_id and ms > 0
union all
select track_id, coalesce(release_id, '00000000-0000-0000-0000-000000000000'), listener_id, feedback.day_of(failed_at), arm,
       0, 'none', 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0
from feedback.track_failures;

create view feedback.vote_rows as
select v.pair_id, coalesce(a.release_id, '00000000-0000-0000-0000-000000000000') as release_id, v.listener_id,
       feedback.day_of(v.voted_at) as day, a.arm, b.arm as baseline,
       (v.choice = side)::int as won, (v.choice in ('first', 'second') and v.choice <> side)::int as lost,
       (v.choice = 'tie')::int as tied, (v.choice = 'both_bad')::int as both_bad
from feedback.pair_votes v
join gateway.pairs p using (pair_id, listener_id)
cross join lateral (values ('first', p.first_track, p.second_track), ('second', p.second_track, p.first_track))
    as s (side, own, other)
join feedback.tracks a on a.track_id = s.own
join feedback.tracks b on b.track_id = s.other;

-- Everything anew from the facts, or the rows of some listeners. Writers of feedback wait meanwhile.
create function feedback.rebuild_rollups(only_listeners uuid[] default null) returns bigint language plpgsql
set jit = off as $$
declare
    written bigint;
begin
    lock table feedback.ratings, feedback.plays, feedback.pair_votes, feedback.tracks, feedback.track_failures
        in share row exclusive mode;
    delete from feedback.rollups where only_listeners is null or listener_id = any(only_listeners);
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
