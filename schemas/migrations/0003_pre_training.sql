-- Owned by the factory; others only read.
create schema training;

create table training.rounds (
    round_id        uuid primary key,
    request_id      uuid unique,                   -- the operator's wish that started it, if one did
    status          text        not null check (status in ('running', 'trained', 'failed', 'empty')),
    listeners       uuid[]      not null,
    snapshot_sha256 text,
    mlflow_run_id   text,
    detail          text        not null default '',
    started_at      timestamptz not null default now(),
    finished_at     timestamptz
);

create table training.adapters (
    listener_id     uuid        not null,
    version         int         not null,          -- MLflow's version number of the model listener-<id>
    round_id        uuid        not null references training.rounds,
    url             text        not null,
    sha256          text        not null,
    base_hash       text        not null,
    rank            int         not null,
    snapshot_sha256 text        not null,
    scores          jsonb       not null default '{}',
    created_at      timestamptz not null default now(),
    primary key (listener_id, version)
);
create index on training.adapters (round_id);

-- Up to where each listener's feedback has been learned from.
create table training.progress (
    listener_id uuid primary key,
    round_id    uuid        not null references training.rounds,
    learned_to  timestamptz not null
);
