-- An offset means something only in the log that it was read from: the topic's identity, and the leader's epoch of the
-- last message, stand beside it. Null: not known yet.
alter table feedback.offsets add column topic_id text, add column leader_epoch int;

-- What was, or may have been, in the log and was never folded.
create table feedback.gaps (
    topic        text        not null,
    partition    int         not null,
    first_offset bigint      not null,
    next_offset  bigint,                          -- where reading went on in the same log; null: in another log
    reason       text        not null check (reason in ('expired', 'recreated', 'truncated', 'skipped')),
    seen_at      timestamptz not null default now()
);
create index on feedback.gaps (topic, partition, seen_at);
