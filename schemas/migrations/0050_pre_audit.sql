-- What people and programs did with their rights: who, what, to what, why. Rows are added and never changed.
create schema audit;

create table audit.entries (
    entry_id uuid primary key,
    at       timestamptz not null default now(),
    kind     text        not null check (kind in ('service', 'listener', 'operator', 'analyst', 'process')),
    name     text        not null,                 -- the actor's
    key_id   text,                                 -- the key that signed the actor's token; null outside the API
    action   text        not null,                 -- noun.verb, such as round.asked
    subject  text,                                 -- what it was done to
    reason   text        not null default '',
    detail   jsonb       not null default '{}'
);
create index on audit.entries (at);
create index on audit.entries (subject, at);

create function audit.refuse() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is only added to' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete or truncate on audit.entries
    for each statement execute function audit.refuse();
