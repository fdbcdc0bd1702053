-- What a listener agreed to: learning from what they do (training), and being counted in what analysts see (analysis).

-- What holds now, kept by the trigger below. Who was there before the question is asked again by their product; the gateway
-- says both for everyone new.
alter table gateway.listeners
    add column may_train   boolean not null default true,
    add column may_analyse boolean not null default true;

-- Each answer with the text that was shown. Rows are added; only the erasure of a listener takes them away.
create table gateway.consents (
    number       bigint generated always as identity primary key,
    listener_id  uuid        not null references gateway.listeners,
    purpose      text        not null check (purpose in ('training', 'analysis')),
    given        boolean     not null,
    text_version text        not null,
    said_by      text        not null,             -- the kind of principal
    said_at      timestamptz not null default now()
);
create index on gateway.consents (listener_id, purpose, number);

insert into gateway.consents (listener_id, purpose, given, text_version, said_by)
select listener_id, purpose, true, 'before-the-question', 'process'
from gateway.listeners cross join (values ('training'), ('analysis')) as p (purpose);

create function gateway.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'consents are only added to' using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or truncate on gateway.consents
for each statement execute function gateway.refuse_change();

-- With its owner's rights: a change of a listener is noted where a request may not write. What changes nothing updates
-- nothing, so that making a listener asks no table of feedback.
create function gateway.apply_consent() returns trigger language plpgsql security definer set search_path = '' as $$
declare
    held boolean;
begin
    select case new.purpose when 'training' then may_train else may_analyse end into held
    from gateway.listeners where listener_id = new.listener_id for update;
    if new.given is distinct from held then
        update gateway.listeners
        set may_train   = case when new.purpose = 'training' then new.given else may_train end,
            may_analyse = case when new.purpose = 'analysis' then new.given else may_analyse end
        where listener_id = new.listener_id;
    end if;
    return null;
end
$$;
create trigger applied after insert on gateway.consents for each row execute function gateway.apply_consent();
