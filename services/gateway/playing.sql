-- name: playing
select p.device_id, p.prompt, p.seconds, p.made, p.tracks, p.at_s, p.said_at from gateway.playing p
where p.listener_id = %(listener_id)s;

-- name: hold
-- A device that does not begin is heard only while none has begun since.
insert into gateway.playing (listener_id, device_id) values (%(listener_id)s, %(device_id)s)
on conflict (listener_id) do update set device_id = excluded.device_id, said_at = now()
where %(begins)s or playing.device_id = excluded.device_id
returning device_id;

-- name: keep
-- Tracks that are another's, or gone, are left out.
update gateway.playing set prompt = %(prompt)s, seconds = %(seconds)s, made = %(made)s, at_s = %(at_s)s,
    tracks = array(select t.track_id from unnest(%(tracks)s::uuid[]) with ordinality asked (track_id, place)
                   join gateway.tracks t using (track_id) where t.listener_id = %(listener_id)s order by place)
where listener_id = %(listener_id)s;

-- name: forget
delete from gateway.playing where listener_id = %(listener_id)s;

-- name: forget_old
delete from gateway.playing where said_at < now() - make_interval(days => %(days)s);
