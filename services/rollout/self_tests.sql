-- The last week that is over, if it was not tested yet and there is anything of it.
-- name: untested_week
select week::date as week from (select date_trunc('week', now() at time zone 'UTC') - interval '7 days' as week) last
where not exists (select from rollout.self_tests s where s.week = last.week::date)
  and exists (
    select from feedback.tracks t
    where t.release_id is null and t.arm = 'champion' and t.made_at >= last.week at time zone 'UTC'
      and t.made_at < (last.week + interval '7 days') at time zone 'UTC'
  );

-- Outside canaries, singly; the half is a bit that nothing else depends on.
-- name: halves
with own as (
    select t.listener_id, t.track_id, get_byte(sha256(convert_to(t.track_id::text, 'UTF8')), 0) & 1 as half,
           row_number() over (partition by t.listener_id order by t.made_at, t.track_id) as number
    from feedback.tracks t
    where t.release_id is null and t.arm = 'champion' and t.pair_id is null
      and t.made_at >= %(week)s::timestamp at time zone 'UTC'
      and t.made_at < (%(week)s::timestamp + interval '7 days') at time zone 'UTC'
)
select own.listener_id, own.half, count(*)::int as made, count(r.stars)::int as count,
       coalesce(sum(r.stars), 0)::int as total, coalesce(sum(r.stars * r.stars), 0)::int as squares,
       count(*) filter (where l.started)::int as started,
       count(*) filter (where l.started and l.skipped)::int as skipped,
       count(*) filter (where l.completed)::int as completed
from own
left join feedback.ratings r using (listener_id, track_id)
left join feedback.listens l using (listener_id, track_id)
where own.number <= %(most)s
group by own.listener_id, own.half
order by own.listener_id, own.half;

-- name: keep
insert into rollout.self_tests (week, listeners, estimate, low, high, nearest, ratio_p, alarms)
values (%(week)s, %(listeners)s, %(estimate)s, %(low)s, %(high)s, %(nearest)s, %(ratio_p)s, %(alarms)s)
on conflict (week) do nothing;

-- name: totals
select count(*)::int as weeks,
       count(*) filter (where 'estimate' = any(alarms))::int as estimate,
       count(*) filter (where 'guardrail' = any(alarms))::int as guardrail,
       count(*) filter (where 'ratio' = any(alarms))::int as ratio
from rollout.self_tests;

-- name: weeks
select week, listeners, estimate, low, high, nearest, ratio_p, alarms from rollout.self_tests
order by week desc limit %(limit)s;
