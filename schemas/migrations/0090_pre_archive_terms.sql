-- When the term of an archived file was over (from then on nothing reads it), and when the blob store confirmed that it is
-- gone. What its events were folded into stays. Owned by the aggregator.
alter table feedback.archives add column expired_at timestamptz, add column erased_at timestamptz;
