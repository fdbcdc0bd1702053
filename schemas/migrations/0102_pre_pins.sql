-- Operators move single listeners' versions with a reason, by command or by an order.
alter table gateway.orders add column version integer;
alter table rollout.actions
    add column version integer,
    drop constraint actions_action_check,
    add constraint actions_action_check check (action in (
        'pause', 'resume', 'stop', 'start', 'opt_out', 'opt_in', 'ramp', 'serve', 'serve_previous', 'pin', 'unpin'));
