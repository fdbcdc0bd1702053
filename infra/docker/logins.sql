-- A login for each process of the compose file, a member of its role; the same again sets the passwords anew.
select format('create role %I login inherit', name || '_login')
from unnest(array['encore_gateway', 'encore_aggregator', 'encore_rollout', 'encore_factory']) as name
where not exists (select from pg_roles where rolname = name || '_login')
\gexec
grant encore_gateway to encore_gateway_login;
grant encore_aggregator to encore_aggregator_login;
grant encore_rollout to encore_rollout_login;
grant encore_factory to encore_factory_login;
alter role encore_gateway_login password :'gateway';
alter role encore_aggregator_login password :'aggregator';
alter role encore_rollout_login password :'rollout';
alter role encore_factory_login password :'factory';
