-- Four takes of one prompt by one arm, of which the listener picks one. `tracks` are in the order in which they are offered.
create table gateway.fours (
    four_id     uuid        primary key,
    listener_id uuid        not null references gateway.listeners,
    tracks      uuid[]      not null check (cardinality(tracks) = 4),
    created_at  timestamptz not null default now()
);
create index on gateway.fours (listener_id);
alter table gateway.tracks add column four_id uuid;

create table feedback.picks (
    four_id     uuid        primary key,
    listener_id uuid        not null,
    choice      text        not null check (choice in ('first', 'second', 'third', 'fourth', 'none')),
    picked_at   timestamptz not null check (picked_at = feedback.bounded(picked_at)),  -- the last by (time, id) counts
    event_id    uuid        not null,
    received_at timestamptz not null check (received_at = feedback.bounded(received_at))
);
create index on feedback.picks (listener_id);
create table archived.picks (like feedback.picks including all);

-- `feedback.events.about` names a track or a pair; to have it name a four as well would write every event anew.
create index on feedback.events (((data ->> 'four_id')::uuid)) where type = 'encore.four.picked';
