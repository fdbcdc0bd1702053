-- name: share
select gateway.share_erasures();

-- name: erased
select gateway.erased_among(%(ids)s::uuid[]) as id;

-- name: due
select e.erasure_id, e.listener as listener_id
from gateway.erasures e
join gateway.erasure_steps s on s.erasure_id = e.erasure_id and s.store = 'feedback' and s.confirmed_at is null
where e.listener is not null
order by e.asked_at;

-- name: lock
select gateway.lock_erasures();

-- name: hold_months
-- No month is taken out meanwhile (`feedback.hold_month`); whoever writes events does not wait.
lock table feedback.events in row exclusive mode;

-- name: hold_facts
-- As for each track that goes, and before the first fact does.
select feedback.hold_facts() where exists (select from feedback.tracks where listener_id = any(%(listeners)s::uuid[]));

-- name: forget_letters
-- Also those that name a listener where it is not their key.
delete from feedback.dead_letters
using (select convert_to(id::text, 'UTF8') as name from unnest(%(listeners)s::uuid[]) as given (id)) gone
where key = gone.name or position(gone.name in value) > 0;

-- name: forget_conflicts
delete from feedback.conflicts where listener_id = any(%(listeners)s);

-- name: forget_ratings
delete from feedback.ratings where listener_id = any(%(listeners)s);

-- name: forget_plays
delete from feedback.plays where listener_id = any(%(listeners)s);

-- name: forget_votes
delete from feedback.pair_votes where listener_id = any(%(listeners)s);

-- name: forget_picks
delete from feedback.picks where listener_id = any(%(listeners)s);

-- name: forget_failures
delete from feedback.track_failures where listener_id = any(%(listeners)s);

-- name: forget_tracks
delete from feedback.tracks where listener_id = any(%(listeners)s);

-- name: forget_rollups
delete from feedback.rollups where listener_id = any(%(listeners)s);

-- name: forget_rating_sums
delete from feedback.rating_sums where listener_id = any(%(listeners)s);

-- name: forget_vote_rollups
delete from feedback.vote_rollups where listener_id = any(%(listeners)s);

-- name: forget_archived_ratings
delete from archived.ratings where listener_id = any(%(listeners)s);

-- name: forget_archived_plays
delete from archived.plays where listener_id = any(%(listeners)s);

-- name: forget_archived_votes
delete from archived.pair_votes where listener_id = any(%(listeners)s);

-- name: forget_archived_picks
delete from archived.picks where listener_id = any(%(listeners)s);

-- name: forget_archived_failures
delete from archived.track_failures where listener_id = any(%(listeners)s);

-- name: forget_archived_tracks
delete from archived.tracks where listener_id = any(%(listeners)s);

-- name: forget_events
-- There is no index by listener: every event is read, once.
with gone as (delete from feedback.events where listener_id = any(%(listeners)s) returning about)
delete from feedback.awaited where id in (select about from gone);

-- name: confirm
update gateway.erasure_steps set confirmed_at = now()
where erasure_id = any(%(erasures)s) and store = 'feedback' and confirmed_at is null;

-- name: confirm_archives
-- Where no file of a month is left there is nothing. What is taken out later was erased before.
update gateway.erasure_steps a set confirmed_at = now()
where a.store = 'archives' and a.confirmed_at is null
  and not exists (select from feedback.archives where erased_at is null)
  and exists (select from gateway.erasure_steps f
              where f.erasure_id = a.erasure_id and f.store = 'feedback' and f.confirmed_at is not null);
