-- When a sound's term was over (from then on it is answered to nobody), and when the blob store confirmed that it is gone.
-- Everything else of the row stays. Owned by the gateway.
alter table gateway.tracks add column audio_expired_at timestamptz, add column audio_erased_at timestamptz;
alter table gateway.songs add column audio_expired_at timestamptz, add column audio_erased_at timestamptz;

create index on gateway.tracks (finished_at) where status = 'ready' and audio_expired_at is null;
create index on gateway.tracks (audio_expired_at) where audio_expired_at is not null and audio_erased_at is null;
create index on gateway.songs (created_at) where audio_expired_at is null;
create index on gateway.songs (audio_expired_at) where audio_expired_at is not null and audio_erased_at is null;
