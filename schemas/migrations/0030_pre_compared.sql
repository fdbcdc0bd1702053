-- A canary is read often: its tracks as they were asked for, and those that failed.
create index on gateway.tracks (release_id, arm) where release_id is not null;
create index on feedback.track_failures (release_id) where release_id is not null;
