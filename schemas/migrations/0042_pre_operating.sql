-- While a release is paused its clock stands still: paused_s is what earlier pauses took.
alter table rollout.releases
    add column paused_at timestamptz,
    add column paused_s  double precision not null default 0;

-- Neither compared nor measured: always on the champion.
alter table rollout.listener_models add column opted_out boolean not null default false;

-- Who left a canary before it ended adopts nothing from it.
alter table rollout.members add column left_at timestamptz;

-- Who did what to the running of releases, and why. The last of `stop` and `start` says whether new canaries begin.
create table rollout.actions (
    action_id   uuid primary key,
    action      text        not null check (action in ('pause', 'resume', 'stop', 'start', 'opt_out', 'opt_in')),
    release_id  uuid,
    listener_id uuid,
    reason      text        not null,
    acted_by    text        not null,
    acted_at    timestamptz not null default now()
);
create index on rollout.actions (action, acted_at);

-- An operator's wish by HTTP, which the rollout process does; how it went is in rollout.answers.
create table gateway.orders (
    order_id    uuid primary key,
    action      text        not null,
    release_id  uuid,
    listener_id uuid,
    reason      text        not null,
    ordered_by  text        not null,
    ordered_at  timestamptz not null default now()
);

create table rollout.answers (
    order_id    uuid primary key,
    done        boolean     not null,
    says        text        not null,
    answered_at timestamptz not null default now()
);
