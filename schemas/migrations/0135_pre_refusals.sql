-- How many requests were refused in each minute of the last day, over all gateways: nothing of who asked.
create table gateway.refusals (
    minute timestamptz not null,
    status smallint not null,
    code text not null,
    refused bigint not null check (refused > 0),
    primary key (minute, status, code)
);
