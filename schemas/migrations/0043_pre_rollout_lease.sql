-- Which rollout process acts. Every transaction of its owner renews it; after `until` another may take it.
create table rollout.leases (
    name  text primary key,
    owner uuid        not null,
    until timestamptz not null
);
