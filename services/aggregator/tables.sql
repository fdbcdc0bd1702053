-- name: merge_plays
insert into feedback.plays as p (listener_id, track_id, heard, reached_ms, first_at, last_at)
select listener_id, track_id, heard::int4multirange, reached_ms, first_at, last_at
from unnest(%(listeners)s::uuid[], %(tracks)s::uuid[], %(heard)s::text[], %(reached)s::int[],
    %(first)s::timestamptz[], %(last)s::timestamptz[])
    as n (listener_id, track_id, heard, reached_ms, first_at, last_at)
on conflict (listener_id, track_id) do update set
    heard      = p.heard + excluded.heard,
    reached_ms = greatest(p.reached_ms, excluded.reached_ms),
    first_at   = least(p.first_at, excluded.first_at),
    last_at    = greatest(p.last_at, excluded.last_at);

-- name: merge_ratings
insert into feedback.ratings as r (listener_id, track_id, stars, rated_at, event_id, received_at)
select *
from unnest(%(listeners)s::uuid[], %(tracks)s::uuid[], %(stars)s::smallint[], %(times)s::timestamptz[],
    %(ids)s::uuid[], %(received)s::timestamptz[])
on conflict (listener_id, track_id) do update
set stars = excluded.stars, rated_at = excluded.rated_at, event_id = excluded.event_id,
    received_at = excluded.received_at
where (excluded.rated_at, excluded.event_id, excluded.stars, excluded.received_at)
    > (r.rated_at, r.event_id, r.stars, r.received_at);

-- name: merge_votes
insert into feedback.pair_votes as v (pair_id, listener_id, choice, voted_at, event_id)
select *
from unnest(%(pairs)s::uuid[], %(listeners)s::uuid[], %(choices)s::text[], %(times)s::timestamptz[], %(ids)s::uuid[])
on conflict (pair_id) do update
set listener_id = excluded.listener_id, choice = excluded.choice, voted_at = excluded.voted_at,
    event_id = excluded.event_id
where (excluded.voted_at, excluded.event_id, excluded.listener_id, excluded.choice collate "C")
    < (v.voted_at, v.event_id, v.listener_id, v.choice collate "C");

-- name: merge_picks
insert into feedback.picks as p (four_id, listener_id, choice, picked_at, event_id, received_at)
select *
from unnest(%(fours)s::uuid[], %(listeners)s::uuid[], %(choices)s::text[], %(times)s::timestamptz[], %(ids)s::uuid[],
    %(received)s::timestamptz[])
on conflict (four_id) do update
set listener_id = excluded.listener_id, choice = excluded.choice, picked_at = excluded.picked_at,
    event_id = excluded.event_id, received_at = excluded.received_at
where (excluded.picked_at, excluded.event_id, excluded.listener_id, excluded.choice collate "C", excluded.received_at)
    > (p.picked_at, p.event_id, p.listener_id, p.choice collate "C", p.received_at);

-- name: merge_tracks
insert into feedback.tracks as t
    (track_id, listener_id, arm, propensity, release_id, model_version, pair_id, prompt, seconds, features_url, sha256,
     made_at)
select *
from unnest(%(tracks)s::uuid[], %(listeners)s::uuid[], %(arm)s::text[], %(propensity)s::real[],
    %(release_id)s::uuid[], %(model_version)s::text[], %(pair_id)s::uuid[], %(prompt)s::text[], %(seconds)s::real[],
    %(features_url)s::text[], %(sha256)s::text[], %(times)s::timestamptz[])
on conflict (track_id) do update
set listener_id = excluded.listener_id, arm = excluded.arm, propensity = excluded.propensity,
    release_id = excluded.release_id, model_version = excluded.model_version, pair_id = excluded.pair_id,
    prompt = excluded.prompt, seconds = excluded.seconds, features_url = excluded.features_url,
    sha256 = excluded.sha256, made_at = excluded.made_at
where (excluded.made_at, excluded.sha256 collate "C") > (t.made_at, t.sha256 collate "C");

-- name: merge_failures
insert into feedback.track_failures as f (track_id, listener_id, arm, release_id, code, failed_at)
select *
from unnest(%(tracks)s::uuid[], %(listeners)s::uuid[], %(arms)s::text[], %(releases)s::uuid[], %(codes)s::text[],
    %(times)s::timestamptz[])
on conflict (track_id) do update
set listener_id = excluded.listener_id, arm = excluded.arm, release_id = excluded.release_id, code = excluded.code,
    failed_at = excluded.failed_at
where (excluded.failed_at, excluded.code collate "C") > (f.failed_at, f.code collate "C");
