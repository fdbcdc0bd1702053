-- Songs that a listener took back. The song's own row goes; this one says which versions must go with it.
-- Owned by the gateway; others only read.
create table gateway.withdrawn_songs (
    song_id      uuid primary key,
    listener_id  uuid        not null references gateway.listeners,
    brought_at   timestamptz not null,
    withdrawn_at timestamptz not null default clock_timestamp(),
    erased_at    timestamptz                       -- when the store confirmed that its folder is gone
);
create index on gateway.withdrawn_songs (listener_id);
create index on gateway.withdrawn_songs (song_id) where erased_at is null;

-- Whether a listener's version that was registered then may have learned from a song that they took back since. What was
-- in the making meanwhile is refused when it is registered: both sides hold the lock below.
create function gateway.learned_from_withdrawn(of_listener uuid, registered_at timestamptz) returns boolean
language sql stable as $$
    select exists (
        select from gateway.withdrawn_songs w
        where w.listener_id = of_listener and registered_at between w.brought_at and w.withdrawn_at
    )
$$;

-- Held to the transaction's end by who takes a song back and by who registers versions, so that one sees the other.
create function gateway.lock_withdrawals() returns void language sql volatile as $$
    select pg_advisory_xact_lock(hashtextextended('encore.withdrawals', 0))
$$;
