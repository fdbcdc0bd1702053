-- What a listener heard last and where they were in it, so that any device may go on; one of them sounds. A row each.
create table gateway.playing (
    listener_id uuid             primary key references gateway.listeners,
    device_id   uuid             not null,                 -- the one that may sound
    prompt      text             not null default '',      -- of the station
    seconds     double precision not null default 20,      -- of each of its tracks
    made        int              not null default 0,       -- how many wishes it has made
    tracks      uuid[]           not null default '{}',    -- the first one plays, the others come next; none: no station
    at_s        double precision not null default 0,       -- in the first one
    said_at     timestamptz      not null default now()
);
