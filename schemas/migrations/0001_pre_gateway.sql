-- Owned by the gateway; others only read.
create schema gateway;

create table gateway.listeners (
    listener_id uuid primary key,
    attributes  jsonb       not null default '{}',
    created_at  timestamptz not null default now()
);

create table gateway.songs (
    song_id       uuid primary key,
    listener_id   uuid        not null references gateway.listeners,
    filename      text        not null,
    upload_sha256 text        not null,          -- of the bytes as sent: the same file twice is one song
    seconds       real        not null,
    sha256        text        not null,          -- of the normalised audio
    loudness_lufs real        not null,          -- before normalisation
    audio_url     text        not null,
    features_url  text        not null,
    created_at    timestamptz not null default now(),
    unique (listener_id, upload_sha256)
);

create table gateway.pairs (
    pair_id      uuid primary key,
    listener_id  uuid        not null references gateway.listeners,
    first_track  uuid        not null,
    second_track uuid        not null,
    created_at   timestamptz not null default now()
);

create table gateway.tracks (
    track_id      uuid primary key,
    listener_id   uuid        not null references gateway.listeners,
    pair_id       uuid,
    prompt        text        not null,
    seconds       real        not null,          -- asked for; the actual length once ready
    seed          bigint      not null,
    arm           text        not null check (arm in ('base', 'champion', 'candidate')),
    propensity    real        not null check (propensity > 0 and propensity <= 1),
    release_id    uuid,
    request       jsonb       not null,          -- the whole GenerationRequest: a restarted gateway asks again
    status        text        not null check (status in ('queued', 'running', 'ready', 'failed')),
    audio_url     text,
    features_url  text,
    sha256        text,
    problem       jsonb,
    created_at    timestamptz not null default now(),
    finished_at   timestamptz
);
create index on gateway.tracks (listener_id, created_at);
create index on gateway.tracks (created_at) where status in ('queued', 'running');

create table gateway.round_requests (
    request_id uuid primary key,
    listeners  uuid[]      not null default '{}',  -- empty: everyone with something new
    created_at timestamptz not null default now()
);
