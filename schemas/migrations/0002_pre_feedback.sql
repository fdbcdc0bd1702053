-- Owned by the aggregator; others only read. Every aggregate is order-free and repeat-free.
create schema feedback;

create table feedback.events (
    source      text        not null,
    id          uuid        not null,
    type        text        not null,
    listener_id uuid        not null,
    time        timestamptz not null,
    data        jsonb       not null,
    topic       text        not null,
    partition   int         not null,
    "offset"    bigint      not null,
    folded_at   timestamptz not null default now(),
    primary key (source, id)
);
create index on feedback.events (listener_id, time);

-- Where reading goes on: the transaction that folds a batch moves these, on the condition that nobody else has.
create table feedback.offsets (
    topic       text   not null,
    partition   int    not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

create table feedback.dead_letters (
    topic       text        not null,
    partition   int         not null,
    "offset"    bigint      not null,
    key         bytea,
    value       bytea,
    reason      text        not null,
    recorded_at timestamptz not null default now(),
    primary key (topic, partition, "offset")
);

create table feedback.tracks (
    track_id      uuid primary key,
    listener_id   uuid        not null,
    arm           text        not null,
    propensity    real        not null,
    release_id    uuid,
    model_version text,
    pair_id       uuid,
    prompt        text        not null,
    seconds       real        not null,
    features_url  text        not null,
    sha256        text        not null,
    made_at       timestamptz not null
);
create index on feedback.tracks (listener_id, made_at);
create index on feedback.tracks (release_id);

create table feedback.track_failures (
    track_id    uuid primary key,
    listener_id uuid        not null,
    arm         text        not null,
    release_id  uuid,
    code        text        not null,
    failed_at   timestamptz not null
);

create table feedback.plays (
    listener_id uuid           not null,
    track_id    uuid           not null,
    heard       int4multirange not null,          -- milliseconds of the track that were played
    reached_ms  int            not null,          -- furthest position
    first_at    timestamptz    not null,
    last_at     timestamptz    not null,
    primary key (listener_id, track_id)
);

create table feedback.ratings (
    listener_id uuid        not null,
    track_id    uuid        not null,
    stars       smallint    not null check (stars between 1 and 5),
    rated_at    timestamptz not null,             -- the latest by (time, id) counts
    event_id    uuid        not null,
    primary key (listener_id, track_id)
);

create table feedback.pair_votes (
    pair_id     uuid primary key,
    listener_id uuid        not null,
    choice      text        not null check (choice in ('first', 'second', 'tie', 'both_bad')),
    voted_at    timestamptz not null,             -- the first by (time, id) counts
    event_id    uuid        not null
);

-- Rules that may change stay out of the stored rows.
create view feedback.listens as
select p.listener_id, p.track_id, t.seconds, t.arm, t.release_id, h.heard_ms,
       least(h.heard_ms / (t.seconds * 1000), 1.0)                        as heard_fraction,
       h.heard_ms > 0                                                     as started,
       h.heard_ms >= least(30000, t.seconds * 500)                        as qualified,
       h.heard_ms < 5000 and h.heard_ms < t.seconds * 950                 as skipped,
       h.heard_ms >= t.seconds * 950                                      as completed,
       p.first_at, p.last_at
from feedback.plays p
join feedback.tracks t using (listener_id, track_id)
cross join lateral (
    select coalesce(sum(upper(r) - lower(r)), 0)::int as heard_ms from unnest(p.heard) r
) h;
