-- name: letters
select topic, partition, "offset", recorded_at, type, coalesce(last_reason, reason) as reason, attempts, settled_at, outcome
from feedback.dead_letters
where %(settled)s or settled_at is null
order by recorded_at, topic, partition, "offset";

-- name: letter
select * from feedback.dead_letters
where topic = %(topic)s and partition = %(partition)s and "offset" = %(offset)s
for update;

-- name: failed
update feedback.dead_letters set attempts = attempts + 1, tried_at = now(), last_reason = %(reason)s
where topic = %(topic)s and partition = %(partition)s and "offset" = %(offset)s;

-- name: settled
update feedback.dead_letters
set attempts = attempts + %(attempts)s, tried_at = now(), settled_at = now(), outcome = %(outcome)s
where topic = %(topic)s and partition = %(partition)s and "offset" = %(offset)s;
