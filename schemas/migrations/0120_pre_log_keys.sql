-- What the log holds of a listener is sealed with a key of their own. Who is erased loses the key: what lies in the log
-- stays there, and nobody can read it or tell whose it was.

-- Owned by the gateway. `log` stands in the log where the listener's id would: their records' key, which says nothing.
create table gateway.log_keys (
    listener_id uuid primary key references gateway.listeners on delete cascade,
    log         uuid  not null unique,
    key         bytea not null check (length(key) = 32)
);

-- Names whose keys were thrown away on purpose. A name that stands neither here nor above has lost its key by a fault,
-- such as a restored backup.
create table gateway.thrown_logs (log uuid primary key);

create function gateway.throw_log() returns trigger language plpgsql as $$
begin
    insert into gateway.thrown_logs select log from gone on conflict do nothing;
    return null;
end
$$;
create trigger thrown after delete on gateway.log_keys referencing old table as gone
    for each statement execute function gateway.throw_log();

-- What was sealed with a key that was thrown away, beside what was folded, repeated and set aside.
alter table feedback.accounts add column erased bigint not null default 0;
create or replace view feedback.books as
select topic, partition, hour, type,
       coalesce(a.events, 0)        as acknowledged,
       coalesce(f.folded, 0)        as folded,
       coalesce(f.repeated, 0)      as repeated,
       coalesce(f.dead_lettered, 0) as dead_lettered,
       a.first_offset, a.last_offset, o.next_offset,
       a.first_offset >= coalesce(o.counted_from, 0)                                        as counted,
       a.first_offset >= o.counted_from and a.last_offset < o.next_offset                   as passed,
       coalesce(f.erased, 0)        as erased
from gateway.acknowledged a
full join feedback.accounts f using (topic, partition, hour, type)
left join feedback.offsets o using (topic, partition);
alter table feedback.dead_letters drop constraint dead_letters_outcome_check;
alter table feedback.dead_letters
    add constraint dead_letters_outcome_check check (outcome in ('folded', 'repeated', 'erased', 'dropped'));

-- Every record from sealed_from to sealed_to is sealed; null: not known. Before it lies, or lay, one that was not, and that
-- was passed at plain_at.
alter table feedback.offsets
    add column sealed_from bigint,
    add column sealed_to   bigint,
    add column plain_at    timestamptz;

-- Why a store has not confirmed yet, where it has to wait for something.
alter table gateway.erasure_steps add column waits_for text;
