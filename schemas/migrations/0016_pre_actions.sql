-- Which action of the version's controls a track was made with, and its propensity; null where it had none.
alter table gateway.tracks add column action jsonb;
