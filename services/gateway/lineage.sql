-- name: versions
-- Newest first; after the version (before_listener, before_version), where that is given.
select a.listener_id, a.version, a.round_id, a.rank, a.base_hash, a.snapshot_sha256, a.scores, a.created_at,
       case a.version when m.champion_version then 'champion' when m.candidate_version then 'candidate'
                      when m.previous_version then 'previous' end as standing,
       coalesce(m.pinned and a.version = m.champion_version, false) as pinned,
       array(select b.release_id from rollout.members b
             where b.listener_id = a.listener_id and b.candidate_version = a.version) as releases
from training.adapters a left join rollout.listener_models m using (listener_id)
where (%(listener_id)s::uuid is null or a.listener_id = %(listener_id)s)
  and (%(round_id)s::uuid is null or a.round_id = %(round_id)s)
  and (%(before_listener)s::uuid is null
       or (a.created_at, a.listener_id, a.version)
          < (select created_at, listener_id, version from training.adapters
             where listener_id = %(before_listener)s and version = %(before_version)s))
order by a.created_at desc, a.listener_id desc, a.version desc limit %(limit)s;

-- name: round
-- Also of a wish that is not taken yet.
select r.round_id, r.snapshot_sha256, r.mlflow_run_id, r.losses
from training.rounds r left join training.fulfilled f using (round_id)
where r.round_id = %(round_id)s or f.request_id = %(round_id)s
union all
select q.request_id, null, null, '{}'
from gateway.round_requests q
where q.request_id = %(round_id)s and not exists (select from training.fulfilled f where f.request_id = q.request_id)
limit 1;

-- name: owner
-- Whose song or track it is.
select listener_id from gateway.songs where song_id = %(source_id)s
union all
select listener_id from gateway.tracks where track_id = %(source_id)s;

-- name: members
select m.listener_id, m.candidate_version, m.champion_version, m.joins <= r.step as joined
from rollout.members m join rollout.releases r using (release_id)
where m.release_id = %(release_id)s and (%(after)s::uuid is null or m.listener_id > %(after)s)
order by m.listener_id limit %(limit)s;

-- name: side
-- What one side of a release is for a listener in it: the adapter, null for the songs alone, and the newest songs.
select m.listener_id, v.version, a.url, a.sha256, a.base_hash,
       array(select s.features_url from gateway.songs s where s.listener_id = m.listener_id
             order by s.created_at desc, s.song_id desc limit %(songs)s) as songs
from rollout.members m
cross join lateral (
    select case when %(side)s = 'candidate' then m.candidate_version else m.champion_version end as version) v
left join training.adapters a
    on a.listener_id = m.listener_id and a.version = v.version
    and not gateway.learned_from_withdrawn(a.listener_id, a.created_at)
where m.release_id = %(release_id)s and m.listener_id = %(listener_id)s;
