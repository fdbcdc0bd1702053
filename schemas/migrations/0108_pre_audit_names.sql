-- Which ids an entry of the audit names, and an index by them: who is erased, or a song of theirs, is found without reading
-- the whole audit, which grows with every token and is never shortened.
create function audit.ids_in(name text, subject text, reason text, detail jsonb) returns uuid[] language sql immutable
parallel safe set search_path = pg_catalog, pg_temp as $$
    select array(
        select found[1]::uuid
        from regexp_matches(concat_ws(' ', name, subject, reason, detail::text),
                            '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') as m (found)
    )
$$;
create index entries_named on audit.entries using gin (audit.ids_in(name, subject, reason, detail));

create or replace function audit.forget(ids uuid[]) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
declare
    gone uuid;
    name_of text;
begin
    perform set_config('encore.audit_forgets', 'on', true);
    foreach gone in array ids loop
        name_of := gateway.erased_name(gone);
        update audit.entries
        set name = replace(name, gone::text, name_of), subject = replace(subject, gone::text, name_of),
            reason = replace(reason, gone::text, name_of),
            detail = replace(detail::text, gone::text, name_of)::jsonb
        where audit.ids_in(name, subject, reason, detail) && array[gone];
    end loop;
    perform set_config('encore.audit_forgets', 'off', true);
end
$$;

-- Whose these are is asked by every erasure, and by the key to the listener.
create index on gateway.pairs (listener_id);
create index on gateway.logins (listener_id) where listener_id is not null;
