-- name: rounds
-- Every round, and every wish that none has answered yet.
select r.round_id, r.status, cardinality(r.listeners) as listeners,
       (select count(*) from training.adapters a where a.round_id = r.round_id) as versions,
       coalesce((select min(q.created_at) from training.fulfilled f join gateway.round_requests q using (request_id)
                 where f.round_id = r.round_id), r.started_at) as created_at,
       r.finished_at, r.detail, (select x.release_id from rollout.releases x where x.round_id = r.round_id) as release_id
from training.rounds r
where %(round_id)s::uuid is null or r.round_id = %(round_id)s
   or exists (select from training.fulfilled f where f.round_id = r.round_id and f.request_id = %(round_id)s)
union all
select q.request_id, 'requested', cardinality(q.listeners), 0, q.created_at, null, '', null
from gateway.round_requests q
where not exists (select from training.fulfilled f where f.request_id = q.request_id)
  and (%(round_id)s::uuid is null or q.request_id = %(round_id)s)
order by created_at desc limit %(limit)s;

-- name: audit
select entry_id, at, kind, name, key_id, action, subject, reason, detail from audit.entries
where %(subject)s::text is null or subject = %(subject)s
order by at desc, entry_id desc limit %(limit)s;

-- name: add_round_request
insert into gateway.round_requests (request_id, listeners) values (%(request_id)s, %(listeners)s)
returning request_id, created_at;

-- name: releases
select r.release_id, r.round_id, r.status, r.started_at, r.decided_at, r.paused_at is not null as paused,
       case when r.status = 'canary' then r.started_at + coalesce(now() - r.paused_at, interval '0')
            + (r.paused_s + (r.plan ->> 'max_age_s')::float8) * interval '1 second' end as ends_by,
       (select count(*) from rollout.members m where m.release_id = r.release_id) as listeners,
       (select count(*) from rollout.members m where m.release_id = r.release_id and m.joins <= r.step) as joined,
       (select count(*) from rollout.listener_models w where w.watched_release_id = r.release_id) as watched,
       (select coalesce(jsonb_agg(to_jsonb(g) - 'release_id' order by g.p), '[]') from rollout.guardrails g
        where g.release_id = r.release_id) as guardrails
from rollout.releases r
where %(release_id)s::uuid is null or r.release_id = %(release_id)s
order by r.started_at desc limit %(limit)s;

-- name: decisions
select decision_id, release_id, look, verdict, reason, summary as inputs, decided_at,
       inputs_sha256 as sha256, inputs_bytes as bytes
from rollout.decisions where release_id = any(%(ids)s) order by look;

-- name: decision_inputs
select inputs::text as inputs from rollout.decisions
where release_id = %(release_id)s and decision_id = %(decision_id)s;

-- name: arm_means
select cohort, arm, mean, ratings, listeners from analytics.arm_means
where (%(cohort)s::text is null or cohort = %(cohort)s and attribute = split_part(%(cohort)s, '=', 1)
       and everyone = (%(cohort)s = 'all'))
  and release_id = %(release_id)s
order by cohort, arm;

-- name: arm_means_overall
select cohort, arm, mean, ratings, listeners from analytics.arm_means_overall
where %(cohort)s::text is null or cohort = %(cohort)s and attribute = split_part(%(cohort)s, '=', 1)
       and everyone = (%(cohort)s = 'all')
order by cohort, arm;

-- name: uplift
select cohort, release_id, arm, baseline, estimate, low, high, listeners, ratings from analytics.uplift
where (%(cohort)s::text is null or cohort = %(cohort)s and attribute = split_part(%(cohort)s, '=', 1)
       and everyone = (%(cohort)s = 'all'))
  and (%(release_id)s::uuid is null or release_id = %(release_id)s)
order by cohort, release_id nulls first, arm, baseline;

-- name: counts
select coalesce(sum(folded), 0)::bigint as folded, coalesce(sum(dead_lettered), 0)::bigint as dead_lettered
from feedback.counts;

-- name: next_offsets
select topic, partition, next_offset from feedback.offsets;
