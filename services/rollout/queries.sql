-- Rounds whose adapters no release has taken up yet, the oldest first.
-- name: waiting_rounds
select r.round_id, array_agg(distinct a.listener_id) as listeners
from training.rounds r
join training.adapters a using (round_id)
where r.status = 'trained'
  and not exists (select from rollout.releases x where x.round_id = r.round_id)
group by r.round_id
order by r.finished_at, r.round_id;

-- name: listeners_in_canaries
select m.listener_id from rollout.members m join rollout.releases using (release_id) where status = 'canary';

-- name: open_release
insert into rollout.releases (release_id, round_id, status, salt, plan, care)
values (%(release_id)s, %(round_id)s, 'canary', %(salt)s, %(plan)s::jsonb, %(care)s::jsonb)
on conflict (round_id) do nothing
returning release_id;

-- name: add_members
insert into rollout.members (release_id, listener_id, candidate_version, champion_version)
select distinct on (a.listener_id) %(release_id)s, a.listener_id, a.version, m.champion_version
from training.adapters a
left join rollout.listener_models m using (listener_id)
where a.round_id = %(round_id)s and not coalesce(m.pinned or m.opted_out, false)
  and analytics.hold_out_place(a.listener_id) >= %(holdout_share)s
order by a.listener_id, a.version desc;

-- Refuses (by changing fewer rows than there are members) a listener who is in another canary.
-- name: serve_candidates
insert into rollout.listener_models as served (listener_id, champion_version, candidate_version, release_id)
select listener_id, champion_version, candidate_version, release_id from rollout.members
where release_id = %(release_id)s
on conflict (listener_id) do update
set candidate_version = excluded.candidate_version, release_id = excluded.release_id, updated_at = now()
where served.release_id is null;

-- By a hash, so that who comes first is neither chosen nor the same in each release.
-- name: spread_members
update rollout.members m
set joins = (select count(*) from unnest(%(counts)s::int[]) reached where reached < placed.place)
from (
    select listener_id, row_number() over (order by md5(%(salt)s || listener_id::text)) as place
    from rollout.members where release_id = %(release_id)s
) placed
where m.release_id = %(release_id)s and m.listener_id = placed.listener_id;

-- name: keep_care
update rollout.releases set care = %(care)s::jsonb where release_id = %(release_id)s;

-- name: step_up
update rollout.releases set step = step + 1, step_at = now()
where release_id = %(release_id)s and step = %(step)s and status = 'canary' and paused_at is null
returning step;

-- name: told_step
insert into rollout.actions (action_id, action, release_id, reason, acted_by)
values (%(action_id)s, 'ramp', %(release_id)s, %(reason)s, 'rollout');

-- name: candidates
select a.listener_id, a.version, a.url, a.sha256, a.base_hash
from rollout.members m
join training.adapters a on a.listener_id = m.listener_id and a.version = m.candidate_version
where m.release_id = %(release_id)s
order by a.listener_id;

-- name: running
select r.release_id, r.round_id, r.plan, r.started_at,
       extract(epoch from coalesce(r.paused_at, now()) - r.started_at)::double precision - r.paused_s as age_s,
       r.paused_at is not null as paused, r.care, r.step,
       extract(epoch from now() - r.step_at)::double precision as step_age_s,
       (select count(*) from rollout.members m where m.release_id = r.release_id) as listeners
from rollout.releases r
where r.status = 'canary'
order by r.started_at, r.release_id;

-- Look 0 is a verdict that could not be computed.
-- name: looks
select look, (inputs ->> 'fraction')::double precision as fraction, (inputs ->> 'spent')::double precision as spent
from rollout.decisions
where release_id = %(release_id)s and look > 0 and not (inputs ->> 'final')::boolean
order by look;

-- A final decision of a release that is still a canary: an intent that is not carried out completely.
-- name: outcome
select decision_id, verdict, reason, decided_at, array(select jsonb_array_elements_text(inputs -> 'keeps'))::uuid[] as keeps
from rollout.decisions
where release_id = %(release_id)s and (inputs ->> 'final')::boolean;

-- name: members
select listener_id, candidate_version, champion_version, left_at is not null as left from rollout.members
where release_id = %(release_id)s order by listener_id;

-- name: ratings
select r.listener_id, t.arm, count(*) as count, sum(r.stars) as total, sum(r.stars * r.stars) as squares
from feedback.tracks t
join feedback.ratings r using (listener_id, track_id)
where t.release_id = %(release_id)s
group by r.listener_id, t.arm;

-- Who has heard or rated something of the release.
-- name: present
select t.listener_id from feedback.tracks t join feedback.ratings r using (listener_id, track_id)
where t.release_id = %(release_id)s
union
select t.listener_id from feedback.tracks t join feedback.plays p using (listener_id, track_id)
where t.release_id = %(release_id)s and not isempty(p.heard);

-- By arrival: a device's clock does not decide what was known when the release started.
-- name: ratings_before
select r.listener_id, count(*) as count, sum(r.stars) as total, sum(r.stars * r.stars) as squares
from rollout.members m
join rollout.releases x using (release_id)
join feedback.ratings r using (listener_id)
join feedback.tracks t using (listener_id, track_id)
where m.release_id = %(release_id)s and r.received_at < x.started_at and t.release_id is distinct from x.release_id
group by r.listener_id;

-- name: tracks
select arm, sum(drawn)::int as drawn, sum(failed)::int as failed,
       sum(started)::int as started, sum(skipped)::int as skipped, sum(completed)::int as completed
from (
    select arm, count(*) filter (where pair_id is null) as drawn, 0 as failed, 0 as started, 0 as skipped, 0 as completed
    from feedback.tracks where release_id = %(release_id)s group by arm
    union all
    select arm, 0, count(*), 0, 0, 0
    from feedback.track_failures where release_id = %(release_id)s group by arm
    union all
    select arm, 0, 0, count(*) filter (where started), count(*) filter (where started and skipped),
           count(*) filter (where completed)
    from feedback.listens where release_id = %(release_id)s group by arm
) counted
group by arm;

-- name: lock_release
select status from rollout.releases where release_id = %(release_id)s for update;

-- name: record_decision
insert into rollout.decisions (decision_id, release_id, look, verdict, reason, inputs)
select %(decision_id)s, %(release_id)s, %(look)s, %(verdict)s, %(reason)s, %(inputs)s::jsonb
where not exists (
    select from rollout.decisions where release_id = %(release_id)s and (inputs ->> 'final')::boolean
)
on conflict (release_id, look) do nothing
returning decision_id;

-- What listeners hear changes here, in the transaction of the decision; the registry's aliases follow.
-- name: serve_outcome
update rollout.listener_models served
set previous_version  = case when adopted.yes then served.champion_version else served.previous_version end,
    champion_version  = case when adopted.yes then m.candidate_version else served.champion_version end,
    watched_release_id = case when adopted.yes then m.release_id else served.watched_release_id end,
    candidate_version = null,
    release_id        = null,
    updated_at        = now()
from rollout.members m
cross join lateral (select %(promote)s and not m.listener_id = any(%(keeps)s::uuid[]) as yes) adopted
where m.release_id = %(release_id)s and served.listener_id = m.listener_id and served.release_id = m.release_id;

-- name: finish
update rollout.releases set status = %(status)s, decided_at = %(decided_at)s
where release_id = %(release_id)s and status = 'canary';

-- name: releases_by_status
select status, count(*) as releases from rollout.releases group by status;
