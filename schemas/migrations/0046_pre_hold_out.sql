-- Where a listener stands in [0, 1), for ever: who stands below the share of the hold-out learns nothing and is compared
-- with nothing. `services.holdout` computes the same.
create function analytics.hold_out_place(listener_id uuid) returns double precision language sql immutable as $$
    select ('x' || left(encode(sha256(convert_to('encore hold-out|' || listener_id::text, 'UTF8')), 'hex'), 8))::bit(32)::bigint
           / 4294967296.0::double precision
$$;

-- A week of the champion against itself: tracks outside canaries, split by a bit of sha256(track_id).
create table rollout.self_tests (
    week     date primary key,                     -- its Monday
    listeners int             not null,
    estimate double precision,
    low      double precision,
    high     double precision,
    nearest  double precision not null,            -- the smallest p-value of the guardrails
    ratio_p  double precision not null,
    alarms   text[]           not null,            -- of estimate, guardrail, ratio
    made_at  timestamptz      not null default now()
);

do $$
begin
    if exists (select from pg_roles where rolname = 'encore_analyst') then
        grant select on rollout.self_tests to encore_analyst;
    end if;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to grant, skipped';
end
$$;
