-- name: expire_tracks
with due as (
    select track_id from gateway.tracks
    where status = 'ready' and audio_expired_at is null and finished_at < now() - make_interval(secs => %(kept_s)s)
    order by finished_at limit %(most)s for update skip locked
)
update gateway.tracks t set audio_expired_at = now() from due where t.track_id = due.track_id returning t.track_id;

-- name: expire_songs
with due as (
    select song_id from gateway.songs
    where audio_expired_at is null and created_at < now() - make_interval(secs => %(kept_s)s)
    order by created_at limit %(most)s for update skip locked
)
update gateway.songs s set audio_expired_at = now() from due where s.song_id = due.song_id returning s.song_id;

-- name: unerased_tracks
select track_id as id from gateway.tracks
where audio_expired_at < now() - make_interval(secs => %(after_s)s) and audio_erased_at is null
order by audio_expired_at limit %(most)s;

-- name: unerased_songs
select song_id as id from gateway.songs
where audio_expired_at < now() - make_interval(secs => %(after_s)s) and audio_erased_at is null
order by audio_expired_at limit %(most)s;

-- name: erased_tracks
update gateway.tracks set audio_erased_at = now() where track_id = %(id)s and audio_erased_at is null;

-- name: erased_songs
update gateway.songs set audio_erased_at = now() where song_id = %(id)s and audio_erased_at is null;
