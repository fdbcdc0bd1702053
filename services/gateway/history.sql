-- name: listeners
select listener_id, may_train from gateway.listeners
where listener_id = any(%(listeners)s) and service = %(service)s;

-- name: songs
select song_id, listener_id, seconds, features_url, sha256, created_at from gateway.songs
where song_id = any(%(songs)s);
