-- What operators look at has changed: gateways that listen are told which part of it, once for each transaction. A
-- service's deeds are left out: it mints tokens by the thousand, and whoever notifies waits for all others that do.
create function gateway.tell_operators() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and old is not distinct from new then
        return null;
    end if;
    for place in 0 .. tg_nargs - 1 loop
        perform pg_notify('gateway_changed', tg_argv[place]);
    end loop;
    return null;
end
$$;
create trigger tell_operators after insert or update or delete on gateway.switches
for each row execute function gateway.tell_operators('switches');
create trigger tell_operators after insert or update or delete on gateway.orders
for each row execute function gateway.tell_operators('orders');
create trigger tell_operators after insert or update or delete on rollout.answers
for each row execute function gateway.tell_operators('orders');
create trigger tell_operators after insert or update or delete on gateway.round_requests
for each row execute function gateway.tell_operators('rounds');
create trigger tell_operators after insert or update or delete on training.rounds
for each row execute function gateway.tell_operators('rounds');
create trigger tell_operators after insert or update or delete on training.fulfilled
for each row execute function gateway.tell_operators('rounds');
create trigger tell_operators after insert or update or delete on training.adapters
for each row execute function gateway.tell_operators('rounds');
create trigger tell_operators after insert or update or delete on rollout.releases
for each row execute function gateway.tell_operators('releases', 'rounds');
create trigger tell_operators after insert or update or delete on rollout.decisions
for each row execute function gateway.tell_operators('releases');
create trigger tell_operators after insert or update or delete on rollout.guardrails
for each row execute function gateway.tell_operators('releases');
create trigger tell_operators after insert or update or delete on rollout.members
for each row execute function gateway.tell_operators('releases');
create trigger tell_operators after insert or update or delete on rollout.listener_models
for each row execute function gateway.tell_operators('releases');
create trigger tell_operators after insert or update or delete on gateway.refusals
for each row execute function gateway.tell_operators('refusals');
create trigger tell_operators after insert on audit.entries
for each row when (new.kind <> 'service') execute function gateway.tell_operators('audit');
