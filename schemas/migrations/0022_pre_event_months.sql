-- Raw events lie in a partition for each month, by the time in their own id (UUID version 7). So the primary key holds the
-- partition's key, an event that is sent again meets the first one, and a month can be taken out whole. Months are made
-- when their first event comes; ids of times that nobody can mean lie in `events_other` and stay there.
alter table feedback.events rename to events_before;

create table feedback.events (
    source      text        not null,
    id          uuid        not null,
    type        text        not null,
    listener_id uuid        not null,
    time        timestamptz not null check (time = feedback.bounded(time)),
    data        jsonb       not null,
    topic       text        not null,
    partition   int         not null,
    "offset"    bigint      not null,
    folded_at   timestamptz not null default now(),
    received_at timestamptz not null default now() check (received_at = feedback.bounded(received_at)),
    sha256      bytea,
    about       uuid generated always as (coalesce(data ->> 'track_id', data ->> 'pair_id')::uuid) stored,
    primary key (id, source)
) partition by range (id);
create index on feedback.events (about);
create table feedback.events_other partition of feedback.events default;

-- The least id of a UTC month.
create function feedback.first_id(month date) returns uuid language sql immutable parallel safe as $$
    select rpad(lpad(to_hex((extract(epoch from month::timestamp at time zone 'UTC') * 1000)::bigint), 12, '0'), 32, '0')::uuid
$$;

create function feedback.month_table(month date) returns text language sql stable parallel safe as $$
    select 'events_' || to_char(month, 'YYYY_MM')
$$;

-- A month from the first day of it, unless it is there. What was in `events_other` of it comes along.
create function feedback.add_month(month date) returns void language plpgsql as $$
declare
    name text := feedback.month_table(month);
    first uuid := feedback.first_id(month);
    next uuid := feedback.first_id((month + interval '1 month')::date);
begin
    lock table feedback.events_other in access exclusive mode;
    if to_regclass('feedback.' || name) is not null then
        return;
    end if;
    execute format('create table feedback.%I (like feedback.events including all)', name);
    execute format('with moved as (delete from feedback.events_other where id >= %L and id < %L returning *)
        insert into feedback.%I (source, id, type, listener_id, time, data, topic, partition, "offset", folded_at,
            received_at, sha256)
        select source, id, type, listener_id, time, data, topic, partition, "offset", folded_at, received_at, sha256
        from moved', first, next, name);
    execute format('alter table feedback.events attach partition feedback.%I for values from (%L) to (%L)',
        name, first, next);
end
$$;

do $$
declare
    month date;
begin
    for month in
        select distinct date_trunc('month', to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint
            / 1000.0) at time zone 'UTC')::date
        from feedback.events_before
        where id >= feedback.first_id('2024-01-01')
          and id < feedback.first_id((date_trunc('month', now()) + interval '2 months')::date)
    loop
        perform feedback.add_month(month);
    end loop;
end
$$;
insert into feedback.events (source, id, type, listener_id, time, data, topic, partition, "offset", folded_at, received_at,
    sha256)
select source, id, type, listener_id, time, data, topic, partition, "offset", folded_at, received_at, sha256
from feedback.events_before;
drop table feedback.events_before;
create trigger counted after insert on feedback.events
referencing new table as added for each statement execute function feedback.count_events();

-- Months that were taken out, and the files that hold them, in the order in which they are read.
create table feedback.archives (
    month       date        not null,
    part        int         not null,
    url         text        not null,
    sha256      text        not null,
    events      bigint      not null,
    archived_at timestamptz not null default now(),
    primary key (month, part)
);

-- What the events of archived months fold to, so that a row can be folded anew without reading them.
create schema archived;
create table archived.plays (like feedback.plays including all);
create table archived.ratings (like feedback.ratings including all);
create table archived.pair_votes (like feedback.pair_votes including all);
create table archived.tracks (like feedback.tracks including all);
create table archived.track_failures (like feedback.track_failures including all);

-- Whoever would write into the month waits; readers do not.
create function feedback.hold_month(month date) returns void language plpgsql as $$
begin
    execute format('lock table feedback.%I in share mode', feedback.month_table(month));
end
$$;

-- Takes a month's table out and leaves an empty one that refuses every event: what comes that late is set aside.
create function feedback.archive_month(month date) returns void language plpgsql as $$
declare
    name text := feedback.month_table(month);
begin
    execute format('alter table feedback.events detach partition feedback.%I', name);
    execute format('drop table feedback.%I', name);
    execute format('create table feedback.%I (like feedback.events including all,
        constraint this_month_is_archived check (false))', name);
    execute format('alter table feedback.events attach partition feedback.%I for values from (%L) to (%L)', name,
        feedback.first_id(month), feedback.first_id((month + interval '1 month')::date));
end
$$;
