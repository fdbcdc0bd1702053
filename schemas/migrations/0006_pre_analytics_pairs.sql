-- Votes on blind pairs with the arms behind them; the order in which a pair was offered is the gateway's to know.
create view analytics.pairs as
select v.pair_id, v.listener_id, f.release_id, f.arm as first_arm, s.arm as second_arm, v.choice,
       case v.choice when 'first' then f.arm when 'second' then s.arm end as chosen_arm, v.voted_at
from feedback.pair_votes v
join gateway.pairs p using (pair_id, listener_id)
join feedback.tracks f on f.track_id = p.first_track
join feedback.tracks s on s.track_id = p.second_track;

do $$
begin
    if exists (select from pg_roles where rolname = 'encore_analyst') then
        grant select on analytics.pairs to encore_analyst;
    end if;
exception
    when insufficient_privilege then raise notice 'role encore_analyst: no right to grant, skipped';
end
$$;
