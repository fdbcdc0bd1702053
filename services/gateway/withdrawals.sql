-- name: lock_listener
-- So that no track is planned with the song meanwhile.
select listener_id from gateway.listeners where listener_id = %(listener_id)s for update;

-- name: lock
select gateway.lock_withdrawals();

-- name: withdraw
-- `listener_id` has been found within the principal's reach.
with gone as (
    delete from gateway.songs where song_id = %(song_id)s and listener_id = %(listener_id)s
    returning song_id, listener_id, created_at, features_url
), noted as (
    insert into gateway.withdrawn_songs (song_id, listener_id, brought_at)
    select song_id, listener_id, created_at from gone
)
select features_url from gone;

-- name: withdrawn
select song_id from gateway.withdrawn_songs where song_id = %(song_id)s and listener_id = %(listener_id)s;

-- name: thaw
-- A cold start that used the song is frozen anew from those that are left.
delete from gateway.cold_starts where listener_id = %(listener_id)s and %(features_url)s = any(songs);

-- name: fail_open_tracks
-- Those which the song, or a version that learned from it, would sound in.
update gateway.tracks t
set status = 'failed', problem = %(problem)s::jsonb, finished_at = now()
where t.listener_id = %(listener_id)s and t.status in ('queued', 'running')
  and (t.request -> 'songs' ? %(features_url)s
       or exists (select from training.adapters a
                  where a.listener_id = t.listener_id and a.version = (t.request -> 'adapter' ->> 'version')::int
                    and gateway.learned_from_withdrawn(a.listener_id, a.created_at)))
returning t.track_id;

-- name: unerased
-- A while after: what the engine was still writing of a song is there by then.
select song_id from gateway.withdrawn_songs
where erased_at is null and withdrawn_at < now() - make_interval(secs => %(after_s)s) order by withdrawn_at limit 100;

-- name: erased
update gateway.withdrawn_songs set erased_at = now() where song_id = %(song_id)s and erased_at is null;
