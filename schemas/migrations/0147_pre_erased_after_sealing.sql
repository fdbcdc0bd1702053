-- Of the log's step: when the listener was made. Records from before that are of others. Null: nobody noted it, or it is
-- needed no more.
alter table gateway.erasure_steps add column made_at timestamptz;
