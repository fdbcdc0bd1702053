-- After a promotion a part of the tracks goes on with the version before, the arm `previous`, until the release is
-- confirmed or reverted. Not validated: what is there satisfies the narrower checks that were before.
alter table gateway.tracks drop constraint tracks_arm_check;
alter table gateway.tracks
    add constraint tracks_arm_check check (arm in ('base', 'cold', 'champion', 'candidate', 'previous')) not valid;

alter table rollout.releases drop constraint releases_status_check;
alter table rollout.releases
    add constraint releases_status_check
        check (status in ('canary', 'promoted', 'held', 'rolled_back', 'reverted')) not valid,
    add column care jsonb not null default '{}';   -- how the release is brought in and watched; fixed at its start

alter table rollout.decisions drop constraint decisions_verdict_check;
alter table rollout.decisions
    add constraint decisions_verdict_check
        check (verdict in ('promote', 'hold', 'roll_back', 'revert', 'confirm')) not valid;

-- Set from a promotion until it is confirmed, reverted or followed by another: previous_version is heard as well.
alter table rollout.listener_models add column watched_release_id uuid references rollout.releases;
create index on rollout.listener_models (watched_release_id) where watched_release_id is not null;
