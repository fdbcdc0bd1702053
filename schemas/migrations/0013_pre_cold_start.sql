-- The arm `cold`: what a listener's songs alone gave when they were first used, frozen. Learning is measured against it.
-- Not validated: what is there satisfies the narrower check that was before.
alter table gateway.tracks drop constraint tracks_arm_check;
alter table gateway.tracks
    add constraint tracks_arm_check check (arm in ('base', 'cold', 'champion', 'candidate')) not valid;

-- Null for songs that were taken in before it was recorded.
alter table gateway.songs add column style real[], add column base_hash text;

create table gateway.cold_starts (
    listener_id uuid        not null references gateway.listeners,
    base_hash   text        not null,             -- of the base that described the songs; '' = before it was recorded
    songs       text[]      not null,             -- feature files, in the order in which they are used
    controls    jsonb       not null,             -- style vector and noise recipe, as in a GenerationRequest
    frozen_at   timestamptz not null default now(),
    primary key (listener_id, base_hash)
);

-- Listeners of before: the songs of their first track that used any, with the noise recipe of then.
insert into gateway.cold_starts (listener_id, base_hash, songs, controls, frozen_at)
select distinct on (listener_id) listener_id, '', array(select jsonb_array_elements_text(request -> 'songs')),
       '{"fresh": 0.6}', created_at
from gateway.tracks
where jsonb_array_length(request -> 'songs') > 0
order by listener_id, created_at, track_id;
