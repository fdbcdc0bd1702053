-- Kill switches: while one is thrown, whom it names hears only what their songs alone give, or the base without songs. Read
-- whenever a track is asked for. Rows stay: they say who did it, when and why. No reference to listeners, who may be erased.
create table gateway.switches (
    switch_id     uuid primary key,
    listener_id   uuid,                            -- one listener
    attribute     text,                            -- or everyone with this value of this attribute
    value         text,                            -- or, where all three are null, everyone
    reason        text        not null,
    thrown_by     text        not null,
    thrown_at     timestamptz not null default now(),
    lifted_reason text,
    lifted_by     text,
    lifted_at     timestamptz,
    check ((attribute is null) = (value is null)),
    check (listener_id is null or attribute is null)
);
create index on gateway.switches (thrown_at) where lifted_at is null;
