-- How near each guardrail of a release is to its bound, as rollout read it last: `p` below `allowed` ends the release.
create table rollout.guardrails (
    release_id uuid not null references rollout.releases,
    name text not null,
    p double precision not null,
    allowed double precision not null,
    seen_at timestamptz not null default now(),
    primary key (release_id, name)
);
