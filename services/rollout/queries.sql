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
  and not gateway.learned_from_withdrawn(a.listener_id, a.created_at)
  and not exists (select from gateway.erasures e where e.listener = a.listener_id)
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
select look, (inputs ->> 'fraction')::double precision as fraction, (inputs ->> 'spent')::double precision as spent,
       coalesce((inputs ->> 'extended')::boolean, false) as extended
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
select s.listener_id, a.arm, a.count, a.total, a.squares
from feedback.rating_sums s
cross join lateral (values
    ('base', base_ratings, base_stars, base_squares), ('cold', cold_ratings, cold_stars, cold_squares),
    ('champion', champion_ratings, champion_stars, champion_squares),
    ('candidate', candidate_ratings, candidate_stars, candidate_squares),
    ('previous', previous_ratings, previous_stars, previous_squares)
) as a (arm, count, total, squares)
where s.release_id = %(release_id)s and a.count > 0;

-- Who has heard or rated something of the release.
-- name: present
select distinct listener_id from feedback.rollups
where release_id = %(release_id)s and (ratings > 0 or started > 0);

-- Candidate less champion, one row a listener, in the order in which tracks were asked for. Only tracks that were heard
-- count; who left one early and says nothing about it for a minute disliked it. Twins are compared with each other. What is
-- left alone is compared first with first: arms are dealt in pairs, so each of these comparisons had a coin of its own.
-- name: compared
with scored as (
    select t.listener_id, t.track_id, t.pair_id, t.arm,
           coalesce(r.stars, case when l.skipped and settled.yes then %(disliked)s end)::int as stars,
           (l.skipped and settled.yes)::int as skipped, l.completed::int as completed
    from feedback.tracks t
    join feedback.listens l using (listener_id, track_id)
    left join feedback.ratings r using (listener_id, track_id)
    cross join lateral (select r.stars is not null or l.last_at < now() - interval '1 minute' as yes) settled
    where t.release_id = %(release_id)s and t.arm in ('champion', 'candidate') and l.started
), twins as (
    select c.listener_id, c.pair_id, greatest(c.track_id, h.track_id) as track_id, c.stars - h.stars as stars,
           case when v.choice in ('tie', 'both_bad') then 0
                when v.choice is not null then case when (v.choice = 'first') = (p.first_track = c.track_id) then 1 else -1 end
           end as vote,
           c.skipped - h.skipped as skipped, c.completed - h.completed as completed
    from scored c
    join scored h on h.pair_id = c.pair_id and h.listener_id = c.listener_id and h.arm = 'champion'
    join gateway.pairs p on p.pair_id = c.pair_id
    left join feedback.pair_votes v on v.pair_id = c.pair_id and v.listener_id = c.listener_id
    where c.arm = 'candidate' and (c.stars + h.stars is not null or v.choice is not null)
), alone as (
    select s.*, row_number() over (partition by s.listener_id, s.arm order by s.track_id) as nth
    from scored s
    where s.stars is not null and not exists (select from twins where twins.pair_id = s.pair_id)
), together as (
    select listener_id, track_id, stars, vote, skipped, completed from twins
    union all
    select c.listener_id, greatest(c.track_id, h.track_id), c.stars - h.stars, null, c.skipped - h.skipped,
           c.completed - h.completed
    from alone c join alone h on h.listener_id = c.listener_id and h.nth = c.nth and h.arm = 'champion'
    where c.arm = 'candidate'
)
select listener_id, array_agg(stars order by track_id) as stars, array_agg(vote order by track_id) as votes,
       array_agg(skipped order by track_id) as skipped, array_agg(completed order by track_id) as completed
from together
group by listener_id;

-- name: failed_first
select distinct on (listener_id) listener_id, arm from feedback.track_failures
where release_id = %(release_id)s and arm in ('champion', 'candidate')
order by listener_id, failed_at, track_id;

-- name: tracks
select arm, sum(asked)::int as asked, sum(made)::int as made, sum(failed)::int as failed, sum(rated)::int as rated
from (
    select arm, count(*) as asked, 0 as made, 0 as failed, 0 as rated
    from gateway.tracks where release_id = %(release_id)s group by arm
    union all
    select arm, 0, sum(made), sum(failed), sum(ratings) from feedback.rollups where release_id = %(release_id)s group by arm
) counted
group by arm;

-- How many members there are, and how many of them have listened within 30 days.
-- name: activity
select count(*)::int as members,
       count(*) filter (where exists (
           select from feedback.plays p where p.listener_id = m.listener_id and p.last_at > now() - interval '30 days'
       ))::int as active
from rollout.members m
where m.release_id = %(release_id)s;

-- What the releases before showed, the newest first.
-- name: earlier
select (inputs #>> '{shown,estimate}')::double precision as estimate,
       (inputs #>> '{shown,error}')::double precision as error,
       (inputs #>> '{shown,spread,within}')::double precision as within,
       (inputs #>> '{shown,spread,between}')::double precision as between
from rollout.decisions
where (inputs ->> 'final')::boolean and inputs #> '{shown,error}' is not null
order by decided_at desc limit 20;

-- name: set_plan
update rollout.releases set plan = %(plan)s::jsonb where release_id = %(release_id)s;

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
