-- Every event accounted for: what a gateway acknowledged beside what became of it, by partition, hour and type. The hour is
-- that of the record's time in the log, which writer and reader see alike.

-- Owned by the gateway. Each process counts what it answered 202 to, and adds to the rows below under a number of its own:
-- an addition whose outcome it did not hear is repeated without effect.
create table gateway.writers (
    writer    uuid primary key,
    additions int         not null,
    seen_at   timestamptz not null default now(),
    closed_at timestamptz                          -- null: it runs, or was killed with what it had not added yet
);

create table gateway.acknowledged (
    topic        text        not null,
    partition    int         not null,
    hour         timestamptz not null,
    type         text        not null,
    events       bigint      not null,
    first_offset bigint      not null,
    last_offset  bigint      not null,
    primary key (topic, partition, hour, type)
);

-- Owned by the aggregator, written in the transaction that moves the offset.
create table feedback.accounts (
    topic         text        not null,
    partition     int         not null,
    hour          timestamptz not null,
    type          text        not null,            -- 'unreadable' where no type could be read
    folded        bigint      not null default 0,
    repeated      bigint      not null default 0,  -- the identity was known, with the same or with other content
    dead_lettered bigint      not null default 0,
    primary key (topic, partition, hour, type)
);

-- Accounts hold what lies from counted_from to counted_to; null: nothing was counted yet. Whoever moves the offset without
-- counting leaves the two apart. `uncounted` is next_offset less everything in the partition's accounts: where counting
-- began, and every offset since that no message was read of.
alter table feedback.offsets
    add column counted_from bigint,
    add column counted_to   bigint,
    add column uncounted    bigint not null default 0;

-- A row can be judged once everything in it has been passed, if counting had begun before it.
create view feedback.books as
select topic, partition, hour, type,
       coalesce(a.events, 0)        as acknowledged,
       coalesce(f.folded, 0)        as folded,
       coalesce(f.repeated, 0)      as repeated,
       coalesce(f.dead_lettered, 0) as dead_lettered,
       a.first_offset, a.last_offset, o.next_offset,
       a.first_offset >= coalesce(o.counted_from, 0)                                        as counted,
       a.first_offset >= o.counted_from and a.last_offset < o.next_offset                   as passed
from gateway.acknowledged a
full join feedback.accounts f using (topic, partition, hour, type)
left join feedback.offsets o using (topic, partition);

do $$
begin
    if exists (select from pg_roles where rolname = 'encore_analyst') then
        grant select on feedback.accounts, feedback.books to encore_analyst;
    end if;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to grant, skipped';
end
$$;
