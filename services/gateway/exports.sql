-- name: tables
-- What a request may read that says whose it is.
select n.nspname as schema, c.relname as name
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = 'listener_id' and not a.attisdropped
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('gateway', 'feedback', 'training')
  and has_table_privilege(current_user, c.oid, 'select')
order by 1, 2;
