-- Whoever finishes a track, and wherever: gateways that listen are told, with its id.
create function gateway.tell_finished() returns trigger language plpgsql as $$
begin
    perform pg_notify('gateway_finished', new.track_id::text);
    return null;
end
$$;
create trigger tell_finished after update of status on gateway.tracks for each row
when (new.status in ('ready', 'failed') and new.status <> old.status)
execute function gateway.tell_finished();
