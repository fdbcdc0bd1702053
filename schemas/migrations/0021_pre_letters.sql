-- A dead letter may be driven again once what refused it is mended. It stays where it is, with what became of it.
alter table feedback.dead_letters
    add column logged_at   timestamptz,            -- the record's time in the log; null: set aside before it was kept
    add column type        text,                   -- as it was counted in feedback.accounts
    add column attempts    int not null default 0,
    add column tried_at    timestamptz,
    add column last_reason text,                   -- of the last attempt, where it failed again
    add column settled_at  timestamptz,            -- null: it waits
    add column outcome     text check (outcome in ('folded', 'repeated', 'dropped'));
create index on feedback.dead_letters (topic, partition, "offset") where settled_at is null;
