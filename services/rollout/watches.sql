-- Promotions of which listeners still hear what was before, the oldest first.
-- name: watched
select r.release_id, r.round_id, r.care, r.plan, r.decided_at,
       extract(epoch from now() - r.decided_at)::double precision as age_s, count(*)::int as listeners
from rollout.releases r
join rollout.listener_models w on w.watched_release_id = r.release_id
where r.status = 'promoted'
group by r.release_id
order by r.decided_at, r.release_id;

-- Drawn since the promotion, on either version. In pairs and in canaries the two arms have other chances, so they are
-- left out.
-- name: heard
with own as (
    select t.listener_id, t.track_id, t.arm,
           row_number() over (partition by t.listener_id order by t.made_at, t.track_id) as number
    from rollout.listener_models w
    join rollout.members m on m.release_id = w.watched_release_id and m.listener_id = w.listener_id
    join feedback.tracks t on t.listener_id = w.listener_id and t.made_at >= %(since)s and t.pair_id is null
     and t.release_id is null
     and ((t.arm = 'champion' and t.model_version = 'listener-' || m.listener_id || '/' || m.candidate_version)
       or (t.arm = 'previous'
           and t.model_version is not distinct from 'listener-' || m.listener_id || '/' || m.champion_version))
    where w.watched_release_id = %(release_id)s
)
select own.listener_id, own.arm, count(r.stars)::int as count, coalesce(sum(r.stars), 0)::int as total,
       coalesce(sum(r.stars * r.stars), 0)::int as squares, count(*) filter (where l.started)::int as started,
       count(*) filter (where l.started and l.skipped)::int as skipped,
       count(*) filter (where l.completed)::int as completed, 0 as failed
from own
left join feedback.ratings r using (listener_id, track_id)
left join feedback.listens l using (listener_id, track_id)
where own.number <= %(most)s
group by own.listener_id, own.arm
order by own.listener_id, own.arm;

-- name: failed
select f.listener_id, f.arm, count(*)::int as failed
from rollout.listener_models w
join feedback.track_failures f using (listener_id)
left join gateway.tracks g using (track_id)
where w.watched_release_id = %(release_id)s and f.failed_at >= %(since)s and f.release_id is null
  and g.pair_id is null and f.arm in ('champion', 'previous')
group by f.listener_id, f.arm;

-- name: given_before
select w.listener_id, count(*)::int as count, sum(r.stars)::int as total, sum(r.stars * r.stars)::int as squares
from rollout.listener_models w
join feedback.ratings r using (listener_id)
where w.watched_release_id = %(release_id)s and r.received_at < %(since)s
group by w.listener_id;

-- name: watched_listeners
select listener_id from rollout.listener_models where watched_release_id = %(release_id)s order by listener_id;

-- name: lock_release
select r.status, exists (
    select from rollout.decisions d where d.release_id = r.release_id and d.verdict = 'revert'
) as reverting
from rollout.releases r where r.release_id = %(release_id)s for update;

-- Who hears what the release brought, and whether a canary has them.
-- name: revertible
select w.listener_id, w.release_id
from rollout.members m
join rollout.listener_models w using (listener_id)
where m.release_id = %(release_id)s and not w.pinned and w.champion_version = m.candidate_version
  and w.previous_version is not distinct from m.champion_version
for update of w;

-- name: record
insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)
select %(decision_id)s, %(release_id)s, coalesce(max(look), 0) + 1, %(verdict)s, %(reason)s, %(inputs)s::jsonb
from rollout.decisions where release_id = %(release_id)s;

-- name: switch
update rollout.listener_models
set champion_version = previous_version, previous_version = champion_version, watched_release_id = null,
    updated_at = now()
where listener_id = any(%(listeners)s);

-- name: end_watch
update rollout.listener_models set watched_release_id = null, updated_at = now()
where watched_release_id = %(release_id)s;

-- Decided and not carried out completely.
-- name: reverting
select r.release_id, r.round_id, d.decision_id, d.reason, d.decided_at,
       (select count(*) from rollout.members m where m.release_id = r.release_id)::int as listeners
from rollout.releases r
join rollout.decisions d on d.release_id = r.release_id and d.verdict = 'revert'
where r.status = 'promoted'
order by d.decided_at, r.release_id;

-- name: served
select listener_id, w.champion_version, w.previous_version
from rollout.members m
join rollout.listener_models w using (listener_id)
where m.release_id = %(release_id)s
order by listener_id;

-- name: finish
update rollout.releases set status = 'reverted' where release_id = %(release_id)s and status = 'promoted';
