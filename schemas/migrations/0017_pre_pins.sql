-- A pinned listener keeps the version that an operator chose: they are in no canary until they are unpinned.
alter table rollout.listener_models add column pinned boolean not null default false;

-- What listeners say of their own taste, against what Encore believes; the latest for each word counts.
create table gateway.taste_corrections (
    listener_id  uuid             not null references gateway.listeners,
    word         text             not null,
    liking       double precision not null check (liking between -1 and 1),
    corrected_at timestamptz      not null default now(),
    primary key (listener_id, word)
);
