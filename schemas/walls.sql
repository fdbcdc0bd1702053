-- The second wall: what a request of a listener or a service can reach, whatever its statement says. Applied after every
-- migration; each statement may be repeated. A table with a `listener_id` gets its wall here without being named.

-- The role that such a request takes on for its transaction (`set local role`). It never logs in.
do $$
begin
    if not exists (select from pg_roles where rolname = 'encore_request') then
        create role encore_request nologin;
    end if;
    if not pg_has_role(current_user, 'encore_request', 'member') then
        execute format('grant encore_request to %I', current_user);
    end if;
exception
    when duplicate_object or unique_violation then null;  -- another database of this server was quicker
    when insufficient_privilege then
        raise exception 'no right to make the role encore_request'
            using hint = 'as an administrator: create role encore_request nologin; grant encore_request to <this role>;';
end
$$;

grant usage on schema gateway, feedback, rollout, training, audit to encore_request;
grant insert, update on gateway.listeners, gateway.songs, gateway.tracks, gateway.pairs, gateway.fours,
    gateway.cold_starts, gateway.taste_corrections, gateway.playing to encore_request;
grant delete on gateway.taste_corrections, gateway.songs, gateway.cold_starts, gateway.playing to encore_request;
grant insert on gateway.logins, gateway.consents, gateway.withdrawn_songs, audit.entries to encore_request;

-- Null outside a request, so that nothing is anybody's there.
create or replace function gateway.asking_listener() returns uuid language sql stable as $$
    select nullif(current_setting('encore.listener', true), '')::uuid
$$;
create or replace function gateway.asking_service() returns text language sql stable as $$
    select nullif(current_setting('encore.service', true), '')
$$;

do $$
declare
    found record;
    mine  text;
begin
    for found in
        select c.oid, n.nspname, c.relname,
               c.relname not in ('logins', 'log_keys') and exists (
                   select from pg_attribute a where a.attrelid = c.oid and a.attname = 'listener_id' and not a.attisdropped) as is_of_listeners,
               exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'within_reach') as is_walled
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        -- No views: they read with their owner's rights, over the wall.
        where c.relkind in ('r', 'p') and n.nspname in ('gateway', 'feedback', 'rollout', 'training')
    loop
        -- What a release is must be read to draw an arm. What was decided and ordered is for staff.
        if found.relname not in ('orders', 'actions')
            and (found.is_of_listeners or (found.nspname, found.relname) = ('rollout', 'releases')) then
            execute format('grant select on %I.%I to encore_request', found.nspname, found.relname);
        end if;
        if found.is_of_listeners and not found.is_walled then
            -- A row of nobody is everybody's: a switch may name a cohort.
            mine := case
                when found.nspname = 'gateway' and found.relname = 'listeners' then 'service = gateway.asking_service()'
                else format('exists (select from gateway.listeners owner where owner.listener_id = %I.listener_id'
                            ' and owner.service = gateway.asking_service())', found.relname)
            end;
            execute format('alter table %I.%I enable row level security', found.nspname, found.relname);
            execute format('create policy within_reach on %I.%I to encore_request using'
                           ' (listener_id is null or listener_id = gateway.asking_listener() or %s)', found.nspname, found.relname, mine);
            -- Every other role sees what its grants say.
            execute format('create policy by_grant on %I.%I using (current_user <> ''encore_request'')',
                           found.nspname, found.relname);
        end if;
    end loop;
end
$$;

-- Analysts read facts under pseudonyms, and of analytics what names no listener.
do $$
declare
    found record;
begin
    if not exists (select from pg_roles where rolname = 'encore_analyst') then
        return;
    end if;
    alter default privileges in schema analytics, feedback, rollout revoke select on tables from encore_analyst;
    revoke all on all tables in schema analytics, feedback, rollout from encore_analyst;
    revoke usage on schema feedback, rollout from encore_analyst;
    grant usage on schema analytics, facts to encore_analyst;
    grant select on all tables in schema facts to encore_analyst;
    for found in
        select c.relname from pg_class c
        where c.relkind in ('r', 'v') and c.relnamespace = 'analytics'::regnamespace
          and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'listener_id')
    loop
        execute format('grant select on analytics.%I to encore_analyst', found.relname);
    end loop;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to grant, skipped';
end
$$;
