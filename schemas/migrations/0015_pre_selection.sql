-- Which seeds competed to become a track, with their scores; null where one ran alone.
alter table gateway.tracks add column selection jsonb;
