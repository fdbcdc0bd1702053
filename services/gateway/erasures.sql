-- A listener's erasure. %(me)s, %(service)s and %(everyone)s say whom the principal reaches.

-- name: lock_listener
-- So that no track is planned meanwhile.
select listener_id from gateway.listeners
where listener_id = %(listener_id)s and (%(everyone)s or listener_id = %(me)s or service = %(service)s) for update;

-- name: lock
-- Whoever ends a round meanwhile sees the erasure, or is seen by it.
select gateway.lock_withdrawals();

-- name: begun
select erasure_id from gateway.erasures
where tombstone = gateway.tombstone(%(listener_id)s)
  and (%(everyone)s or %(listener_id)s = %(me)s or service = %(service)s);

-- name: begin
-- The engine may be writing still: a track that is open, and the noise of a song that has just come.
insert into gateway.erasures (erasure_id, tombstone, listener, service, asked_by, reason, settles_at)
select %(erasure_id)s, gateway.tombstone(listener_id), listener_id, service, %(asked_by)s,
       replace(%(reason)s, listener_id::text, gateway.erased_name(listener_id)),
       case when exists (select from gateway.tracks t
                         where t.listener_id = l.listener_id and t.status in ('queued', 'running'))
              or exists (select from gateway.songs s where s.listener_id = l.listener_id
                           and s.created_at > now() - make_interval(secs => %(settle_s)s))
            then now() + make_interval(secs => %(settle_s)s) else now() end
from gateway.listeners l where listener_id = %(listener_id)s;

-- name: add_steps
-- What lay in the open in the log before they were made is of others.
insert into gateway.erasure_steps (erasure_id, store, made_at)
select %(erasure_id)s, store, case when store = 'kafka' then created_at end
from unnest(%(stores)s::text[]) as s (store)
cross join gateway.listeners where listener_id = %(listener_id)s;

-- name: note_files
insert into gateway.erasure_files (erasure_id, kind, id)
select %(erasure_id)s, 'song', song_id from gateway.songs where listener_id = %(listener_id)s
union
select %(erasure_id)s, 'song', song_id from gateway.withdrawn_songs where listener_id = %(listener_id)s
union
select %(erasure_id)s, 'track', track_id from gateway.tracks where listener_id = %(listener_id)s;

-- name: open_tracks
select track_id from gateway.tracks where listener_id = %(listener_id)s and status in ('queued', 'running');

-- name: forget_in_audit
select audit.forget(array_append(array(select id from gateway.erasure_files
                                       where erasure_id = %(erasure_id)s and kind = 'song'), %(listener_id)s));

-- name: forget_requests
-- A wish without listeners would be for everyone.
delete from gateway.round_requests where listeners <@ array[%(listener_id)s::uuid] and cardinality(listeners) > 0;

-- name: forget_in_requests
update gateway.round_requests set listeners = array_remove(listeners, %(listener_id)s)
where %(listener_id)s = any(listeners);

-- name: forget_switches
delete from gateway.switches where listener_id = %(listener_id)s;

-- name: forget_orders
delete from gateway.orders where listener_id = %(listener_id)s;

-- name: forget_budgets
delete from gateway.budgets where owner = 'listener:' || %(listener_id)s::text;

-- name: forget_logins
delete from gateway.logins where listener_id = %(listener_id)s;

-- name: forget_consents
delete from gateway.consents where listener_id = %(listener_id)s;

-- name: forget_corrections
delete from gateway.taste_corrections where listener_id = %(listener_id)s;

-- name: forget_playing
delete from gateway.playing where listener_id = %(listener_id)s;

-- name: forget_cold_starts
delete from gateway.cold_starts where listener_id = %(listener_id)s;

-- name: forget_pairs
delete from gateway.pairs where listener_id = %(listener_id)s;

-- name: forget_fours
delete from gateway.fours where listener_id = %(listener_id)s;

-- name: forget_tracks
delete from gateway.tracks where listener_id = %(listener_id)s;

-- name: forget_withdrawn_songs
delete from gateway.withdrawn_songs where listener_id = %(listener_id)s;

-- name: forget_songs
delete from gateway.songs where listener_id = %(listener_id)s;

-- name: forget_log_key
-- What lies in the log can be read by nobody from here on, and is nobody's.
delete from gateway.log_keys where listener_id = %(listener_id)s;

-- name: forget_listener
delete from gateway.listeners where listener_id = %(listener_id)s;

-- name: confirm
update gateway.erasure_steps set confirmed_at = now()
where erasure_id = %(erasure_id)s and store = %(store)s and confirmed_at is null;

-- name: view
select e.erasure_id, e.asked_by, e.reason, e.asked_at,
       case when count(s.confirmed_at) = count(*) then max(s.confirmed_at) end as done_at,
       jsonb_agg(jsonb_build_object('store', s.store, 'confirmed_at', s.confirmed_at, 'waits_for', s.waits_for)
                 order by s.confirmed_at nulls last, s.store) as steps
from gateway.erasures e join gateway.erasure_steps s using (erasure_id)
where e.erasure_id = %(erasure_id)s
  and (%(everyone)s or e.tombstone = gateway.tombstone(%(me)s::uuid) or e.service = %(service)s)
group by e.erasure_id;

-- name: files_due
-- At once, and once more when nothing can come any more.
select e.erasure_id, e.settles_at <= now() as settled
from gateway.erasures e
join gateway.erasure_steps s on s.erasure_id = e.erasure_id and s.store = 'blobs' and s.confirmed_at is null
where e.swept_at is null or e.settles_at <= now()
order by e.asked_at;

-- name: swept
update gateway.erasures set swept_at = now() where erasure_id = %(erasure_id)s;

-- name: files
select kind, id from gateway.erasure_files where erasure_id = %(erasure_id)s;

-- name: forget_files
delete from gateway.erasure_files where erasure_id = %(erasure_id)s;

-- name: adopt
-- A song that came to its end when its listener was gone already: the files are due once more.
with late as (
    update gateway.erasures set settles_at = now() + make_interval(secs => %(settle_s)s), swept_at = null
    where tombstone = gateway.tombstone(%(listener_id)s)
    returning erasure_id
), again as (
    update gateway.erasure_steps set confirmed_at = null
    where store = 'blobs' and erasure_id in (select erasure_id from late)
)
insert into gateway.erasure_files (erasure_id, kind, id) select erasure_id, 'song', %(song_id)s from late;

-- name: audit_due
-- Once nobody is left who would write of the listener.
select e.erasure_id, e.listener as listener_id
from gateway.erasures e
join gateway.erasure_steps a on a.erasure_id = e.erasure_id and a.store = 'audit' and a.confirmed_at is null
where e.listener is not null
  and not exists (select from gateway.erasure_steps s
                  where s.erasure_id = e.erasure_id and s.store = any(%(writers)s) and s.confirmed_at is null)
order by e.asked_at;

-- name: at_hand_due
-- Once nobody is left who would name the listener to the engine, and nothing of theirs is in the making.
select e.erasure_id, e.listener as listener_id
from gateway.erasures e
join gateway.erasure_steps a on a.erasure_id = e.erasure_id and a.store = 'engine' and a.confirmed_at is null
where e.listener is not null
  and not exists (select from gateway.erasure_steps s
                  where s.erasure_id = e.erasure_id and s.store = any(%(writers)s) and s.confirmed_at is null)
order by e.asked_at;

-- name: forget_spent
-- A request that was being paid for when the erasure began.
delete from gateway.budgets b using gateway.erasures e where b.owner = 'listener:' || e.listener::text;

-- name: forget_ids
-- Who needs no id to go on is not asked.
update gateway.erasures e set listener = null
where listener is not null
  and not exists (select from gateway.erasure_steps s
                  where s.erasure_id = e.erasure_id and s.store <> all(%(nameless)s) and s.confirmed_at is null)
returning erasure_id;
