-- A release may reach its members in steps: who joins at a later step than the release's is not in the canary yet.
alter table rollout.releases
    add column step    int         not null default 0,
    add column step_at timestamptz not null default now();
alter table rollout.members add column joins int not null default 0;

alter table rollout.actions drop constraint actions_action_check;
alter table rollout.actions
    add constraint actions_action_check
        check (action in ('pause', 'resume', 'stop', 'start', 'opt_out', 'opt_in', 'ramp'));
