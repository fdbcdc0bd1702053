-- name: state
select (select r.status from rollout.releases r where r.release_id = %(release_id)s) as status,
       (select m.unit from analytics.metrics m where m.metric = %(metric)s) as unit, f.as_of,
       not exists (
           select from feedback.rollup_changes c
           where c.release_id = asked.release_id
              or (asked.release_id = analytics.every_release() and c.release_id <> '00000000-0000-0000-0000-000000000000')
       ) as complete
from (select coalesce(%(release_id)s::uuid, '00000000-0000-0000-0000-000000000000') as release_id) asked
left join feedback.cell_refreshes f using (release_id);

-- name: cells
select cell, day, hidden, listeners, observations, d, dd, b, bb, db
from analytics.uplift_by(%(by)s::text[], %(metric)s, %(arm)s, %(baseline)s, %(release_id)s, %(per)s, %(until)s);

-- name: baselines
-- What an arm is compared with, either way round.
select baseline from analytics.comparisons where arm = %(arm)s
union
select arm from analytics.comparisons where baseline = %(arm)s
order by 1;
