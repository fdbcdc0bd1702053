-- What older code wrote instead of training.fulfilled.
insert into training.fulfilled
select request_id, round_id from training.rounds where request_id is not null on conflict do nothing;
alter table training.rounds drop column request_id;
