-- Everything that analysts read of listeners goes through these. Cells are made again when a listener changes (0073).
create or replace view analytics.cohorts as
select listener_id, 'all' as cohort from gateway.listeners where may_analyse
union all
select l.listener_id, a.key || '=' || a.value
from gateway.listeners l cross join lateral jsonb_each_text(l.attributes) a where l.may_analyse;

create or replace view analytics.traits as
select listener_id, coalesce(attributes ->> 'country', 'unknown') as country,
       coalesce(attributes ->> 'age_band', 'unknown') as age_band, coalesce(attributes ->> 'taste', 'unknown') as taste,
       coalesce(attributes ->> 'device', 'unknown') as device, coalesce(attributes ->> 'home', 'unknown') as home, created_at
from gateway.listeners where may_analyse;

create or replace view analytics.listener_means as
select nullif(release_id, '00000000-0000-0000-0000-000000000000') as release_id, listener_id, arm,
       sum(stars)::double precision / sum(ratings) as mean, sum(ratings)::int as ratings
from feedback.rollups
where ratings > 0 and exists (
    select from gateway.listeners l where l.listener_id = rollups.listener_id and l.may_analyse
)
group by rollups.release_id, listener_id, arm;

create or replace view analytics.pairs as
select v.pair_id, v.listener_id, f.release_id, f.arm as first_arm, s.arm as second_arm, v.choice,
       case v.choice when 'first' then f.arm when 'second' then s.arm end as chosen_arm, v.voted_at
from feedback.pair_votes v
join gateway.listeners l on l.listener_id = v.listener_id and l.may_analyse
join gateway.pairs p on p.pair_id = v.pair_id and p.listener_id = v.listener_id
join feedback.tracks f on f.track_id = p.first_track
join feedback.tracks s on s.track_id = p.second_track;
