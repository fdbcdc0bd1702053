-- How many events and dead letters there are, without counting them: both tables grow for ever, and `GET /v1/feedback`
-- is asked often. Kept by triggers and not by the aggregator's code, so that the numbers are right whichever version of it
-- writes; in the writer's transaction, so that they are never ahead or behind. A row for each partition, since those have
-- one writer each: a single row would make all writers wait for one another.
create table feedback.counts (
    topic         text   not null,
    partition     int    not null,
    folded        bigint not null default 0,
    dead_lettered bigint not null default 0,
    primary key (topic, partition)
);

create function feedback.count_events() returns trigger language plpgsql as $$
begin
    insert into feedback.counts as c (topic, partition, folded)
    select topic, partition, count(*) from added group by topic, partition order by topic, partition
    on conflict (topic, partition) do update set folded = c.folded + excluded.folded;
    return null;
end
$$;

create function feedback.count_dead_letters() returns trigger language plpgsql as $$
begin
    insert into feedback.counts as c (topic, partition, dead_lettered)
    select topic, partition, count(*) from added group by topic, partition order by topic, partition
    on conflict (topic, partition) do update set dead_lettered = c.dead_lettered + excluded.dead_lettered;
    return null;
end
$$;

-- Creating a trigger waits for running writers and holds new ones off until these counts are in.
create trigger counted after insert on feedback.events
referencing new table as added for each statement execute function feedback.count_events();
create trigger counted after insert on feedback.dead_letters
referencing new table as added for each statement execute function feedback.count_dead_letters();

insert into feedback.counts (topic, partition, folded)
select topic, partition, count(*) from feedback.events group by topic, partition;
insert into feedback.counts as c (topic, partition, dead_lettered)
select topic, partition, count(*) from feedback.dead_letters group by topic, partition
on conflict (topic, partition) do update set dead_lettered = excluded.dead_lettered;
