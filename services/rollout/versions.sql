-- name: versions
-- With what was given to each version's own tracks.
select a.listener_id, a.version, a.round_id, a.url, a.sha256, a.base_hash, a.rank, a.snapshot_sha256, a.scores, a.created_at,
       coalesce(a.version = m.champion_version, false)  as champion,
       coalesce(a.version = m.candidate_version, false) as candidate,
       coalesce(a.version = m.previous_version, false)  as previous,
       coalesce(m.pinned and a.version = m.champion_version, false) as pinned,
       r.stars, coalesce(r.ratings, 0) as ratings
from training.adapters a
left join rollout.listener_models m using (listener_id)
left join lateral (
    select sum(u.stars)::double precision / nullif(sum(u.ratings), 0) as stars, sum(u.ratings)::int as ratings
    from feedback.rollups u where u.listener_id = a.listener_id and u.version = a.version
) r on true
where %(listener_id)s::uuid is null or a.listener_id = %(listener_id)s
order by a.listener_id, a.version desc
limit %(limit)s;

-- name: lock_models
select champion_version, previous_version, release_id, pinned from rollout.listener_models
where listener_id = %(listener_id)s for update;

-- name: playable_version
select version from training.adapters
where listener_id = %(listener_id)s and version = %(version)s
  and not gateway.learned_from_withdrawn(listener_id, created_at);

-- name: serve
insert into rollout.listener_models as m (listener_id, champion_version, previous_version, pinned)
values (%(listener_id)s, %(champion)s, %(previous)s, %(pinned)s)
on conflict (listener_id) do update
set champion_version = excluded.champion_version, previous_version = excluded.previous_version,
    watched_release_id = null,  -- what an operator chose is heard on every track of the champion's
    pinned = excluded.pinned, updated_at = now();
