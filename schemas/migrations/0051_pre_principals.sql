-- Whose a listener is: the service that made them, and whose tokens reach them.
alter table gateway.listeners add column service text not null default 'encore';

-- Codes that are exchanged once for a token. Only their hashes are kept.
create table gateway.logins (
    code_sha256 bytea primary key,
    kind        text        not null check (kind in ('listener', 'operator', 'analyst')),
    name        text,                              -- of an operator or analyst
    service     text,                              -- of a listener: whose they are
    listener_id uuid references gateway.listeners, -- null: the exchange makes a new listener
    made_at     timestamptz not null default now(),
    expires_at  timestamptz not null,
    used_at     timestamptz
);
