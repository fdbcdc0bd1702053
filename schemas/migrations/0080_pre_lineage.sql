-- The mean loss of each step of a round, for its curve; and versions of all listeners by age, page after page.
alter table training.rounds add column losses real[] not null default '{}';
create index on training.adapters (created_at, listener_id, version);
