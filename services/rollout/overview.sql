-- name: releases
select r.release_id, r.round_id, r.status, r.paused_at is not null as paused, r.started_at, r.decided_at,
       (select count(*) from rollout.members m where m.release_id = r.release_id)::int as listeners,
       (select count(*) from rollout.listener_models w where w.watched_release_id = r.release_id)::int as watched,
       (select d.reason from rollout.decisions d where d.release_id = r.release_id order by d.look desc limit 1) as reason
from rollout.releases r
order by r.started_at desc, r.release_id desc limit %(limit)s;

-- name: release
select r.*,
       (select count(*) from rollout.members m where m.release_id = r.release_id)::int as listeners,
       (select count(*) from rollout.listener_models w where w.watched_release_id = r.release_id)::int as watched
from rollout.releases r where r.release_id = %(release_id)s;

-- Without the counts of single listeners, and what the release says already.
-- name: decisions
select decision_id, look, verdict, reason, decided_at, summary - 'plan' - 'past' as inputs, inputs_sha256, inputs_bytes
from rollout.decisions where release_id = %(release_id)s order by look;
