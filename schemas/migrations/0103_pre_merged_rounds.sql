-- Wishes that wait are answered by one round together.
create table training.fulfilled (
    request_id uuid primary key,
    round_id   uuid not null references training.rounds
);
create index on training.fulfilled (round_id);
insert into training.fulfilled select request_id, round_id from training.rounds where request_id is not null;
