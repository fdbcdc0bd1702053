-- name: due
-- Releases that have changed since their cells were made, and are not made too often: at most a tenth of the time goes
-- into it.
select c.release_id
from feedback.rollup_changes c
left join feedback.cell_refreshes r using (release_id)
where r.release_id is null or clock_timestamp() > r.as_of + (0.5 + 10 * r.seconds) * interval '1 second'
group by c.release_id
order by min(c.at);

-- name: one_view
-- What is read and what is taken away belong to one moment.
set transaction isolation level repeatable read;

-- name: alone
select pg_try_advisory_xact_lock(hashtextextended('cells ' || %(release_id)s::uuid, 0)) as mine;

-- name: take_changes
delete from feedback.rollup_changes where release_id = %(release_id)s;

-- name: refresh
select feedback.refresh_cells(%(release_id)s);

-- name: pooled_changed
-- The cells of all releases together follow from each of them, and not from the time outside any.
insert into feedback.rollup_changes (release_id)
select analytics.every_release()
where %(release_id)s not in (analytics.every_release(), '00000000-0000-0000-0000-000000000000'::uuid);

-- name: note
insert into feedback.cell_refreshes as r (release_id, as_of, seconds)
values (%(release_id)s, now(), extract(epoch from clock_timestamp() - now()))
on conflict (release_id) do update set as_of = excluded.as_of, seconds = excluded.seconds
returning seconds;
