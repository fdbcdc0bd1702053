-- name: note
insert into gateway.consents (listener_id, purpose, given, text_version, said_by)
values (%(listener_id)s, %(purpose)s, %(given)s, %(text_version)s, %(said_by)s);

-- name: state
select listener_id, may_train as training, may_analyse as analysis from gateway.listeners
where listener_id = %(listener_id)s and (listener_id = %(me)s or service = %(service)s);

-- name: history
select purpose, given, text_version, said_by, said_at from gateway.consents
where listener_id = %(listener_id)s order by number desc limit 1000;
