-- What lists show of a decision: its inputs without what they say of single listeners, and the digest of all of them, made
-- when the row is written, so that no list reads the whole.
alter table rollout.decisions
    add column summary       jsonb,
    add column inputs_sha256 text,
    add column inputs_bytes  int;

create function rollout.summarise() returns trigger language plpgsql as $$
begin
    new.summary := new.inputs - 'evidence' - 'keeps'
        || case when jsonb_typeof(new.inputs -> 'keeps') = 'array'
                then jsonb_build_object('kept', jsonb_array_length(new.inputs -> 'keeps')) else '{}' end;
    new.inputs_sha256 := encode(sha256(convert_to(new.inputs::text, 'UTF8')), 'hex');
    new.inputs_bytes := octet_length(new.inputs::text);
    return new;
end
$$;

create trigger summarise before insert or update of inputs on rollout.decisions
    for each row execute function rollout.summarise();

update rollout.decisions set inputs = inputs;
