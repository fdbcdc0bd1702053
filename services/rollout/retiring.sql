-- name: retired
-- Versions that learned from a song which was taken back, and are still what their listener is served.
select m.listener_id, array_agg(a.version order by a.version) as versions
from (select distinct listener_id from gateway.withdrawn_songs) w
join rollout.listener_models m using (listener_id)
join training.adapters a
    on a.listener_id = m.listener_id
    and a.version in (m.champion_version, m.previous_version, m.candidate_version)
where gateway.learned_from_withdrawn(a.listener_id, a.created_at)
group by m.listener_id
order by m.listener_id;

-- name: leave_canary
update rollout.members j set left_at = now()
from rollout.listener_models m
where m.listener_id = %(listener_id)s and m.candidate_version = any(%(versions)s)
  and j.listener_id = m.listener_id and j.release_id = m.release_id;

-- name: retire
update rollout.listener_models
set champion_version   = case when champion_version = any(%(versions)s) then null else champion_version end,
    previous_version   = case when previous_version = any(%(versions)s) then null else previous_version end,
    candidate_version  = case when candidate_version = any(%(versions)s) then null else candidate_version end,
    release_id         = case when candidate_version = any(%(versions)s) then null else release_id end,
    watched_release_id = case when champion_version = any(%(versions)s) or previous_version = any(%(versions)s)
                              then null else watched_release_id end,
    pinned             = pinned and champion_version is not null and not champion_version = any(%(versions)s),
    updated_at         = now()
where listener_id = %(listener_id)s;
