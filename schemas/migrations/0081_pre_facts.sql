-- What analysts read of single listeners: facts under pseudonyms, of those who agreed to analysis. No id, prompt, song or
-- file of the product's is in it. These views read with their owner's rights; analysts reach no table behind them.
create schema secrets;
create table secrets.pseudonyms (
    only_row  boolean primary key default true check (only_row),
    inner_key bytea not null,
    outer_key bytea not null
);
insert into secrets.pseudonyms (inner_key, outer_key)
values (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

create schema facts;
-- A nested keyed hash (NMAC; Bellare, Canetti, Krawczyk 1996, section 4), cut to the length of an id. The same thing has the
-- same pseudonym everywhere; without the keys nobody gets from one to the other. Who may ask it has no keys to ask with.
create function facts.pseudonym(id uuid, keys secrets.pseudonyms) returns uuid language sql immutable as $$
    select encode(substring(sha256((keys).outer_key || sha256((keys).inner_key || uuid_send(id))) for 16), 'hex')::uuid
$$;

-- `place` is where the hold-out cuts: below `ENCORE_HOLDOUT_SHARE` a listener is held out. To two digits: whole, it would be
-- another name of theirs.
create view facts.listeners as
select facts.pseudonym(t.listener_id, k) as listener, country, age_band, taste, device, home, created_at::date as since,
       floor(analytics.hold_out_place(t.listener_id) * 100) / 100 as place
from analytics.traits t cross join secrets.pseudonyms k;

create view facts.cohorts as
select facts.pseudonym(c.listener_id, k) as listener, cohort from analytics.cohorts c cross join secrets.pseudonyms k;

create view facts.listener_means as
select release_id, facts.pseudonym(m.listener_id, k) as listener, arm, mean, ratings
from analytics.listener_means m cross join secrets.pseudonyms k;

create view facts.rollups as
select nullif(release_id, '00000000-0000-0000-0000-000000000000') as release_id,
       facts.pseudonym(r.listener_id, k) as listener, day, arm, version, style, made, drawn, failed, ratings, stars, squares,
       started, heard_ms, heard_ppm, skipped, completed
from feedback.rollups r
join gateway.listeners l on l.listener_id = r.listener_id and l.may_analyse
cross join secrets.pseudonyms k;

create view facts.tracks as
select facts.pseudonym(t.listener_id, k) as listener, facts.pseudonym(t.track_id, k) as track, arm, propensity, release_id,
       own_version as version, style, seconds, made_at
from feedback.tracks t
join gateway.listeners l on l.listener_id = t.listener_id and l.may_analyse
cross join secrets.pseudonyms k;

create view facts.ratings as
select facts.pseudonym(r.listener_id, k) as listener, facts.pseudonym(r.track_id, k) as track, stars, rated_at
from feedback.ratings r
join gateway.listeners l on l.listener_id = r.listener_id and l.may_analyse
cross join secrets.pseudonyms k;

create view facts.listens as
select facts.pseudonym(h.listener_id, k) as listener, facts.pseudonym(h.track_id, k) as track, arm, release_id, seconds,
       heard_ms, heard_fraction, started, qualified, skipped, completed, first_at, last_at
from feedback.listens h
join gateway.listeners l on l.listener_id = h.listener_id and l.may_analyse
cross join secrets.pseudonyms k;

create view facts.pairs as
select facts.pseudonym(p.listener_id, k) as listener, release_id, first_arm, second_arm, choice, chosen_arm, voted_at
from analytics.pairs p cross join secrets.pseudonyms k;

-- Releases without the secret by which arms are drawn; decisions without what was given by single listeners.
create view facts.releases as
select release_id, round_id, status, plan, care, started_at, decided_at, paused_at, paused_s, step, step_at
from rollout.releases;
create view facts.decisions as
select decision_id, release_id, look, verdict, reason, summary, decided_at from rollout.decisions;
create view facts.self_tests as select * from rollout.self_tests;

-- It reads cells that are not hidden yet, and hides them itself.
alter function analytics.uplift_by(text[], text, text, text, uuid, text, date) security definer;
alter function analytics.uplift_by(text[], text, text, text, uuid, text, date) set search_path = pg_catalog, pg_temp;
