-- What a request names by id is asked for with what the principal reaches: %(me)s is a listener's token, %(service)s a
-- service's; the other is null. `store.Store` hands both to every statement.

-- name: add_listener
-- Who is new agreed to nothing yet.
insert into gateway.listeners (listener_id, attributes, service, may_train, may_analyse)
values (%(listener_id)s, %(attributes)s::jsonb, %(owner)s, false, false)
returning listener_id, attributes, created_at;

-- name: listener
select listener_id, attributes, created_at from gateway.listeners
where listener_id = %(listener_id)s and (listener_id = %(me)s or service = %(service)s);

-- name: lock_listener
-- Held while a track is planned, so that the limit on open tracks counts right.
select listener_id from gateway.listeners
where listener_id = %(listener_id)s and (listener_id = %(me)s or service = %(service)s) for update;

-- name: known_listeners
select listener_id from gateway.listeners where listener_id = any(%(ids)s) and (listener_id = %(me)s or service = %(service)s);

-- name: songs
select song_id, listener_id, filename, seconds, sha256, created_at from gateway.songs
where listener_id = %(listener_id)s order by created_at desc, song_id desc;

-- name: song_of_upload
select song_id, listener_id, filename, seconds, sha256, created_at from gateway.songs
where listener_id = %(listener_id)s and upload_sha256 = %(upload_sha256)s;

-- name: add_song
insert into gateway.songs
    (song_id, listener_id, filename, upload_sha256, seconds, sha256, loudness_lufs, audio_url, features_url,
     style, base_hash)
values
    (%(song_id)s, %(listener_id)s, %(filename)s, %(upload_sha256)s, %(seconds)s, %(sha256)s, %(loudness_lufs)s,
     %(audio_url)s, %(features_url)s, %(style)s::real[], %(base_hash)s)
on conflict (listener_id, upload_sha256) do nothing
returning song_id, listener_id, filename, seconds, sha256, created_at;

-- name: song_features
-- The newest first.
select features_url, style, coalesce(base_hash, '') as base_hash from gateway.songs
where listener_id = %(listener_id)s
order by created_at desc, song_id desc limit %(limit)s;

-- name: cold_start
select songs, controls, base_hash from gateway.cold_starts
where listener_id = %(listener_id)s and base_hash = %(base_hash)s;

-- name: freeze_cold_start
insert into gateway.cold_starts (listener_id, base_hash, songs, controls)
values (%(listener_id)s, %(base_hash)s, %(songs)s, %(controls)s::jsonb);

-- name: switched_off
select exists (
    select from gateway.switches s
    where s.lifted_at is null
      and (s.listener_id = l.listener_id or l.attributes ->> s.attribute = s.value
           or (s.listener_id is null and s.attribute is null))
) as off
from gateway.listeners l where l.listener_id = %(listener_id)s;

-- name: models
-- What the listener may hear: their champion, the candidate of a canary that has reached them, and what was before while their last
-- promotion is watched.
select r.release_id, r.salt, r.plan -> 'shares' as shares, (r.plan ->> 'twins')::double precision as twins,
       c.version as champion_version, c.url as champion_url, c.sha256 as champion_sha256,
       c.base_hash as champion_base_hash,
       d.version as candidate_version, d.url as candidate_url, d.sha256 as candidate_sha256,
       d.base_hash as candidate_base_hash,
       p.version as previous_version, p.url as previous_url, p.sha256 as previous_sha256,
       p.base_hash as previous_base_hash,
       (w.care ->> 'held_back')::double precision as held_back, m.opted_out
from rollout.listener_models m
left join rollout.members j on j.release_id = m.release_id and j.listener_id = m.listener_id
left join rollout.releases r
    on r.release_id = m.release_id and r.status = 'canary' and r.paused_at is null and j.joins <= r.step
left join training.adapters c
    on c.listener_id = m.listener_id and c.version = m.champion_version
    and not gateway.learned_from_withdrawn(c.listener_id, c.created_at)
left join training.adapters d
    on d.listener_id = m.listener_id and d.version = m.candidate_version
    and not gateway.learned_from_withdrawn(d.listener_id, d.created_at)
left join rollout.releases w on w.release_id = m.watched_release_id
left join training.adapters p
    on p.listener_id = m.listener_id and p.version = m.previous_version and w.release_id is not null
    and not gateway.learned_from_withdrawn(p.listener_id, p.created_at)
where m.listener_id = %(listener_id)s;

-- name: taste_facts
select (select count(*) from gateway.songs s where s.listener_id = %(listener_id)s)::int as songs,
       (select champion_version from rollout.listener_models m where m.listener_id = %(listener_id)s) as version;

-- name: rated_prompts
select t.prompt, r.stars from feedback.ratings r join feedback.tracks t using (listener_id, track_id)
where r.listener_id = %(listener_id)s order by r.rated_at desc limit 500;

-- name: own_ratings
select r.track_id, t.prompt, r.stars, r.rated_at
from feedback.ratings r join feedback.tracks t using (listener_id, track_id)
where r.listener_id = %(listener_id)s order by r.rated_at desc, r.track_id desc limit %(limit)s;

-- name: taste_corrections
select word, liking from gateway.taste_corrections where listener_id = %(listener_id)s;

-- name: correct_taste
insert into gateway.taste_corrections (listener_id, word, liking)
select %(listener_id)s, * from unnest(%(words)s::text[], %(likings)s::double precision[])
on conflict (listener_id, word) do update set liking = excluded.liking, corrected_at = now();

-- name: forget_corrections
delete from gateway.taste_corrections where listener_id = %(listener_id)s and word = any(%(words)s);

-- name: count_open
select count(*) as open from gateway.tracks where listener_id = %(listener_id)s and status in ('queued', 'running');

-- name: count_compared
-- Wishes in a canary that went to champion or candidate; twins are one wish.
select count(distinct coalesce(pair_id, track_id))::int as wishes from gateway.tracks
where listener_id = %(listener_id)s and release_id = %(release_id)s and arm in ('champion', 'candidate');

-- name: add_track
insert into gateway.tracks
    (track_id, listener_id, pair_id, four_id, prompt, seconds, seed, arm, propensity, release_id, request, status)
values
    (%(track_id)s, %(listener_id)s, %(pair_id)s, %(four_id)s, %(prompt)s, %(seconds)s, %(seed)s, %(arm)s, %(propensity)s,
     %(release_id)s, %(request)s::jsonb, 'queued')
returning *;

-- name: add_pair
insert into gateway.pairs (pair_id, listener_id, first_track, second_track)
values (%(pair_id)s, %(listener_id)s, %(first_track)s, %(second_track)s);

-- name: pair
-- Its tracks in the order in which they are offered.
select t.* from (
    select array[first_track, second_track] as tracks from gateway.pairs
    where pair_id = %(pair_id)s
      and (listener_id = %(me)s or %(service)s = (select service from gateway.listeners l where l.listener_id = pairs.listener_id))
) p join gateway.tracks t on t.track_id = any(p.tracks)
order by array_position(p.tracks, t.track_id);

-- name: add_four
insert into gateway.fours (four_id, listener_id, tracks) values (%(four_id)s, %(listener_id)s, %(tracks)s::uuid[]);

-- name: four
-- Its tracks in the order in which they are offered.
select t.* from (
    select tracks from gateway.fours
    where four_id = %(four_id)s
      and (listener_id = %(me)s or %(service)s = (select service from gateway.listeners l where l.listener_id = fours.listener_id))
) f join gateway.tracks t on t.track_id = any(f.tracks)
order by array_position(f.tracks, t.track_id);

-- name: track
select * from gateway.tracks
where track_id = %(track_id)s
  and (listener_id = %(me)s or %(service)s = (select service from gateway.listeners l where l.listener_id = tracks.listener_id));

-- name: tracks
select * from gateway.tracks
where listener_id = %(listener_id)s
  and (%(before)s::uuid is null
       or (created_at, track_id) < (select created_at, track_id from gateway.tracks
                                       where track_id = %(before)s and listener_id = %(listener_id)s))
order by created_at desc, track_id desc limit %(limit)s;

-- name: open_tracks
-- Each service's in turn, and of a service each listener's in turn, the oldest first, so that no line is so long that it
-- hides another's head. What is being made has turns of its own: another gateway has it, or had it when it was killed.
with places as (
    select t.track_id, t.status, t.created_at, coalesce(l.service, '') as service,
           row_number() over (partition by t.listener_id order by t.created_at, t.track_id) as place
    from gateway.tracks t join gateway.listeners l using (listener_id)
    where t.status in ('queued', 'running')
), turns as (
    select track_id, service,
           row_number() over (partition by service, status order by place, created_at, track_id) as turn
    from places where not track_id = any(%(except)s)
)
select t.*, u.service from turns u join gateway.tracks t using (track_id)
order by u.turn, t.created_at, t.track_id limit %(limit)s;

-- name: finished
-- Those of the tracks that are not in the making any more.
select asked.track_id from unnest(%(ids)s::uuid[]) as asked(track_id)
where not exists (select from gateway.tracks t where t.track_id = asked.track_id and t.status in ('queued', 'running'));

-- name: mark_running
update gateway.tracks set status = 'running' where track_id = %(track_id)s and status in ('queued', 'running')
returning *;

-- name: mark_ready
update gateway.tracks
set status = 'ready', seconds = %(seconds)s, audio_url = %(audio_url)s, features_url = %(features_url)s,
    sha256 = %(sha256)s, selection = %(selection)s::jsonb, action = %(action)s::jsonb, finished_at = now()
where track_id = %(track_id)s and status in ('queued', 'running')
returning *;

-- name: mark_failed
update gateway.tracks set status = 'failed', problem = %(problem)s::jsonb, finished_at = now()
where track_id = %(track_id)s and status in ('queued', 'running')
returning *;

-- name: known_tracks
select track_id, listener_id, four_id, seconds, status, created_at from gateway.tracks
where track_id = any(%(ids)s)
  and (listener_id = %(me)s or %(service)s = (select service from gateway.listeners l where l.listener_id = tracks.listener_id));

-- name: known_pairs
select pair_id, listener_id, created_at from gateway.pairs
where pair_id = any(%(ids)s)
  and (listener_id = %(me)s or %(service)s = (select service from gateway.listeners l where l.listener_id = pairs.listener_id));

-- name: known_fours
select four_id, listener_id, created_at from gateway.fours
where four_id = any(%(ids)s)
  and (listener_id = %(me)s or %(service)s = (select service from gateway.listeners l where l.listener_id = fours.listener_id));
