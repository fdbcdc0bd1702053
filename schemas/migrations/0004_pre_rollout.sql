-- Owned by the rollout service; others only read.
create schema rollout;

create table rollout.releases (
    release_id uuid primary key,
    round_id   uuid        not null unique,
    status     text        not null check (status in ('canary', 'promoted', 'held', 'rolled_back')),
    salt       text        not null,
    plan       jsonb       not null,               -- shares of the arms, looks, alpha, thresholds
    started_at timestamptz not null default now(),
    decided_at timestamptz
);

create table rollout.members (
    release_id        uuid not null references rollout.releases,
    listener_id       uuid not null,
    candidate_version int  not null,
    champion_version  int,
    primary key (release_id, listener_id)
);

-- What the gateway draws arms from. release_id is set while the listener is in a canary.
create table rollout.listener_models (
    listener_id       uuid primary key,
    champion_version  int,
    previous_version  int,
    candidate_version int,
    release_id        uuid references rollout.releases,
    updated_at        timestamptz not null default now()
);

create table rollout.decisions (
    decision_id uuid primary key,
    release_id  uuid        not null references rollout.releases,
    look        int         not null,
    verdict     text        not null check (verdict in ('promote', 'hold', 'roll_back')),
    reason      text        not null,
    inputs      jsonb       not null,
    decided_at  timestamptz not null default now(),
    unique (release_id, look)
);
