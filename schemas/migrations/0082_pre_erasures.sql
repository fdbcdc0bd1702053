-- Erasures of listeners: one job for each, with a step for every store. The gateway owns the jobs; whoever owns a store
-- confirms its step.

-- The key under which erased listeners are remembered. No process and no analyst reads it. It belongs to the same backup as
-- `gateway.erasures`: without it nobody is recognised.
create table secrets.tombstones (
    only_row  boolean primary key default true check (only_row),
    inner_key bytea not null,
    outer_key bytea not null
);
insert into secrets.tombstones (inner_key, outer_key)
values (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
        uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- What is left of an id: a nested keyed hash (NMAC; Bellare, Canetti, Krawczyk 1996, section 4). Who has the id can ask
-- whether it is the one; nobody gets from here to the id.
create function gateway.tombstone(id uuid) returns bytea language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select sha256(outer_key || sha256(inner_key || uuid_send(id))) from secrets.tombstones
$$;

-- How an erased id is written where something must stay, such as in the audit.
create function gateway.erased_name(id uuid) returns text language sql stable as $$
    select 'erased-' || left(encode(gateway.tombstone(id), 'hex'), 32)
$$;

-- `listener` is what stores are searched for; null once no process needs it any more.
create table gateway.erasures (
    erasure_id uuid primary key,
    tombstone  bytea       not null unique,
    listener   uuid unique,
    service    text        not null,               -- whose the listener was
    asked_by   text        not null,               -- the kind of principal
    reason     text        not null default '',
    asked_at   timestamptz not null default now(),
    settles_at timestamptz not null,               -- when nothing that was in the making can be written any more
    swept_at   timestamptz                         -- when its files were removed first
);

-- A store without a time has not confirmed, whatever it has removed already.
create table gateway.erasure_steps (
    erasure_id   uuid not null references gateway.erasures,
    store        text not null,
    confirmed_at timestamptz,
    primary key (erasure_id, store)
);
create index on gateway.erasure_steps (store) where confirmed_at is null;

-- Whose files are still to be removed.
create table gateway.erasure_files (
    erasure_id uuid not null references gateway.erasures,
    kind       text not null check (kind in ('song', 'track')),
    id         uuid not null,
    primary key (erasure_id, kind, id)
);

-- Of many ids at once, since each call with another's rights costs more than the hashes of a thousand ids.
create function gateway.erased_among(ids uuid[]) returns setof uuid language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select id from unnest(ids) as u (id) cross join secrets.tombstones
    join gateway.erasures on tombstone = sha256(outer_key || sha256(inner_key || uuid_send(id)))
$$;

-- Held, shared, to the transaction's end by who writes what may be of an erased listener, and alone by who removes it: so
-- whoever did not see the erasure is seen by it.
create function gateway.share_erasures() returns void language sql volatile as $$
    select pg_advisory_xact_lock_shared(hashtextextended('encore.erasures', 0))
$$;
create function gateway.lock_erasures() returns void language sql volatile as $$
    select pg_advisory_xact_lock(hashtextextended('encore.erasures', 0))
$$;

-- The audit stays as it is, but for the ids of who is erased: there stands what nobody can read, the same for the same id.
-- Only the function below says that it is at work, and only it has the right to change a row.
create or replace function audit.refuse() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and current_setting('encore.audit_forgets', true) = 'on' then
        return null;
    end if;
    raise exception 'the audit is only added to' using errcode = 'insufficient_privilege';
end
$$;

create function audit.forget(ids uuid[]) returns void language plpgsql security definer
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
        where subject = gone::text or name = gone::text or strpos(reason, gone::text) > 0
           or strpos(detail::text, gone::text) > 0;
    end loop;
    perform set_config('encore.audit_forgets', 'off', true);
end
$$;
