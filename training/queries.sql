-- name: untaken_requests
-- Wishes of operators that no round has answered, oldest first.
select q.request_id, q.listeners
from gateway.round_requests q
where not exists (select from training.fulfilled f where f.request_id = q.request_id)
order by q.created_at, q.request_id

-- name: release_pending
-- Whether a trained round still waits for the rollout service.
select exists (
    select from training.rounds r
    where r.status = 'trained' and not exists (select from rollout.releases o where o.round_id = r.round_id)
) as pending

-- name: standings
-- What is new of each listener who has a song or a rating: songs by Postgres's clock, ratings and picks by their arrival. Where what
-- was learned last came from a song that they took back, all that is left is new.
with progress as (
    select p.* from training.progress p
    where not exists (select from training.adapters a
                      where a.listener_id = p.listener_id and a.round_id = p.round_id
                        and gateway.learned_from_withdrawn(a.listener_id, a.created_at))
), songs as (
    select s.listener_id, count(*) as songs, max(s.created_at) as newest_song_at,
           count(*) filter (where p.learned_to is null or s.created_at > p.learned_to) as new_songs
    from gateway.songs s left join progress p using (listener_id)
    group by s.listener_id
), ratings as (
    select f.listener_id, count(*) as ratings,
           count(*) filter (where p.ratings_to is null or f.received_at > p.ratings_to) as new_ratings
    from (
        select r.listener_id, r.received_at from feedback.ratings r join feedback.tracks t using (listener_id, track_id)
        where t.arm <> 'catalogue' or exists (select from gateway.songs s where s.song_id = r.track_id)
        union all  -- picks tell a scorer, and who has no songs has none
        select c.listener_id, c.received_at from feedback.picks c join gateway.fours using (four_id, listener_id)
        where exists (select from gateway.songs s where s.listener_id = c.listener_id)
    ) f
    left join progress p using (listener_id)
    group by f.listener_id
)
select listener_id, coalesce(s.songs, 0) as songs, coalesce(f.ratings, 0) as ratings,
       coalesce(s.new_songs, 0) as new_songs, coalesce(f.new_ratings, 0) as new_ratings, s.newest_song_at,
       exists (select from training.adapters a
               where a.listener_id = l.listener_id
                 and not gateway.learned_from_withdrawn(a.listener_id, a.created_at)) as has_adapter,
       coalesce(m.release_id is not null, false) as in_canary,
       coalesce(d.rests_until > now(), false) as rests,
       exists (select from gateway.listeners g where g.listener_id = l.listener_id and g.may_train) as may_train
from (select listener_id from songs union select listener_id from ratings) l
left join songs s using (listener_id)
left join ratings f using (listener_id)
left join rollout.listener_models m using (listener_id)
left join training.troubles d using (listener_id)

-- name: running_round
select round_id, listeners, snapshot_sha256, mlflow_run_id
from training.rounds where status = 'running' order by started_at limit 1

-- name: listener
select may_train, attributes from gateway.listeners where listener_id = %(listener)s

-- name: songs
select song_id, features_url, created_at
from gateway.songs where listener_id = %(listener)s

-- name: tracks
-- A song of the listener's own, rated in a product's history, is gone with the song.
select f.track_id, t.features_url, t.prompt, t.arm, f.stars, f.rated_at, f.received_at, t.seconds::float8 as seconds,
       round(l.heard_fraction::numeric, 4)::float8 as heard
from feedback.ratings f
join feedback.tracks t using (listener_id, track_id)
left join feedback.listens l using (listener_id, track_id)
where f.listener_id = %(listener)s
  and (t.arm <> 'catalogue' or exists (select from gateway.songs s where s.song_id = f.track_id))

-- name: others
-- Who else rated and agrees that Encore learns from it, those with the newest ratings first.
select f.listener_id
from feedback.ratings f join gateway.listeners g using (listener_id)
where g.may_train and f.listener_id <> all(%(listeners)s)
group by f.listener_id
order by max(f.received_at) desc, f.listener_id
limit %(most)s

-- name: picks
-- Of takes that were heard, or of which no play was told. Features of a four's takes are the gateway's to tell.
select c.four_id, c.picked_at, c.received_at,
       max(t.features_url) filter (where o.place = w.place) as picked_url,
       coalesce(array_agg(t.features_url order by o.place) filter (where o.place is distinct from w.place), '{}') as other_urls
from feedback.picks c
join gateway.fours f using (four_id, listener_id)
cross join lateral (select array_position(array['first', 'second', 'third', 'fourth'], c.choice) as place) w
cross join lateral unnest(f.tracks) with ordinality as o (track_id, place)
join gateway.tracks t on t.track_id = o.track_id and t.status = 'ready'
left join feedback.plays h on h.listener_id = c.listener_id and h.track_id = o.track_id
where c.listener_id = %(listener)s and (h.heard is null or feedback.heard_ms(h.heard) >= least(1000, t.seconds * 1000))
group by c.four_id

-- name: contests
-- The newest tracks that were chosen among several seeds, whether or not anybody heard them.
select track_id, features_url, prompt, selection as competitors, finished_at as made_at
from gateway.tracks
where listener_id = %(listener)s and status = 'ready' and selection is not null
order by finished_at desc, track_id
limit 48

-- name: champions
select a.version, a.url, a.sha256, a.base_hash
from rollout.listener_models m
join training.adapters a on a.listener_id = m.listener_id and a.version = m.champion_version
where m.listener_id = %(listener)s and not gateway.learned_from_withdrawn(a.listener_id, a.created_at)

-- name: insert_round
with round as (
    insert into training.rounds (round_id, status, listeners, detail, finished_at)
    values (%(round_id)s, %(status)s, %(listeners)s, %(detail)s,
            case when %(status)s = 'running' then null else now() end)
    returning round_id
)
insert into training.fulfilled select request_id, round_id from round, unnest(%(requests)s::uuid[]) as request_id

-- name: set_snapshot
update training.rounds set snapshot_sha256 = %(sha256)s where round_id = %(round_id)s and status = 'running'

-- name: set_run
update training.rounds set mlflow_run_id = %(run_id)s where round_id = %(round_id)s and status = 'running'

-- name: set_detail
update training.rounds set detail = %(detail)s where round_id = %(round_id)s and status = 'running'

-- name: lock_withdrawals
select gateway.lock_withdrawals()

-- name: withdrew_since
-- Who took a song back since the round began: it may have learned from that song.
select distinct w.listener_id
from gateway.withdrawn_songs w join training.rounds r on r.round_id = %(round_id)s and w.withdrawn_at >= r.started_at
where w.listener_id = any(%(listeners)s)

-- name: erased
select gateway.erased_among(%(listeners)s::uuid[]) as listener_id

-- name: insert_adapter
insert into training.adapters
    (listener_id, version, round_id, url, sha256, base_hash, rank, snapshot_sha256, scores, method)
values (%(listener_id)s, %(version)s, %(round_id)s, %(url)s, %(sha256)s, %(base_hash)s, %(rank)s,
        %(snapshot_sha256)s, %(scores)s, %(method)s)
on conflict (listener_id, version) do nothing

-- name: set_progress
-- Marks only move on; null says nothing.
insert into training.progress (listener_id, round_id, learned_to, ratings_to)
values (%(listener_id)s, %(round_id)s, coalesce(%(songs_to)s::timestamptz, '-infinity'), %(ratings_to)s)
on conflict (listener_id) do update
set round_id = excluded.round_id, learned_to = greatest(excluded.learned_to, training.progress.learned_to),
    ratings_to = greatest(excluded.ratings_to, training.progress.ratings_to)

-- name: note_trouble
-- From the `patience`th failure on the listener rests, twice as long each time, at most a day.
insert into training.troubles as t (listener_id, failures, reason, round_id, rests_until)
values (%(listener_id)s, 1, %(reason)s, %(round_id)s,
        case when %(patience)s <= 1 then now() + %(rest)s::interval end)
on conflict (listener_id) do update
set failures = t.failures + 1, reason = excluded.reason, round_id = excluded.round_id, failed_at = now(),
    rests_until = case when t.failures + 1 >= %(patience)s
        then now() + least(interval '1 day', %(rest)s::interval * 2 ^ least(t.failures + 1 - %(patience)s, 20)) end

-- name: forget_troubles
delete from training.troubles where listener_id = any(%(listeners)s)

-- name: resting
select count(*) as listeners from training.troubles where rests_until > now()

-- name: finish_round
update training.rounds set status = %(status)s, detail = %(detail)s, losses = %(losses)s, finished_at = now()
where round_id = %(round_id)s and status = 'running'
