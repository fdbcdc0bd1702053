-- When an event arrived by our own clock, what it says, and what it speaks of. `time` and every `..._at` that follows from
-- an event are the corrected time: the device's, as far as it can be true.

-- Times that no reader can hold, or that nobody can mean, are mended once and refused from now on.
create function feedback.bounded(moment timestamptz) returns timestamptz language sql immutable parallel safe as $$
    select least(greatest(moment, '2000-01-01 00:00+00'::timestamptz), '2200-01-01 00:00+00'::timestamptz)
$$;

-- A generated column, so that it is right whichever version of the code writes.
alter table feedback.events
    add column received_at timestamptz not null default now(),
    add column sha256      bytea,                 -- of type and data; null: stored before contents were compared
    add column about       uuid generated always as (coalesce(data ->> 'track_id', data ->> 'pair_id')::uuid) stored;
update feedback.events
set received_at = feedback.bounded(time),
    time        = feedback.bounded(time),
    source      = case when topic = 'encore.tracks.v1' then source else 'listeners/' || listener_id || '/' || source end;
alter table feedback.events add check (time = feedback.bounded(time)), add check (received_at = feedback.bounded(received_at));
drop index feedback.events_listener_id_time_idx;  -- no statement reads by it
create index on feedback.events (id);
create index on feedback.events (about);

-- What was said under an identity that had been used. Kind `content`: every content that contradicts another, the one that
-- counts too. Kind `listener`: an id that several listeners used; all of them count, so content and type are left empty.
create table feedback.conflicts (
    source      text        not null,
    id          uuid        not null,
    listener_id uuid        not null,
    kind        text        not null check (kind in ('content', 'listener')),
    sha256      bytea       not null,
    type        text        not null,
    data        jsonb       not null,
    recorded_at timestamptz not null default now(),
    primary key (source, id, kind, sha256)
);

alter table feedback.ratings add column received_at timestamptz not null default now();
update feedback.ratings set rated_at = feedback.bounded(rated_at), received_at = feedback.bounded(rated_at);
alter table feedback.ratings
    add check (rated_at = feedback.bounded(rated_at)), add check (received_at = feedback.bounded(received_at));
update feedback.pair_votes set voted_at = feedback.bounded(voted_at) where voted_at <> feedback.bounded(voted_at);
alter table feedback.pair_votes add check (voted_at = feedback.bounded(voted_at));
update feedback.plays set first_at = feedback.bounded(first_at), last_at = feedback.bounded(last_at)
where (first_at, last_at) <> (feedback.bounded(first_at), feedback.bounded(last_at));
alter table feedback.plays
    add check (first_at = feedback.bounded(first_at)), add check (last_at = feedback.bounded(last_at));

-- Songs and ratings are new by marks of their own: the one by Postgres's clock, the other by the gateway's.
alter table training.progress add column ratings_to timestamptz;
update training.progress set ratings_to = learned_to;

-- Listeners whose facts, features or training failed, until a round with them succeeds.
create table training.troubles (
    listener_id uuid primary key,
    failures    int         not null,
    reason      text        not null,
    round_id    uuid        not null references training.rounds,
    failed_at   timestamptz not null default now(),
    rests_until timestamptz                        -- null: the next round tries again
);
