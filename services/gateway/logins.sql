-- name: add_login
insert into gateway.logins (code_sha256, kind, name, service, listener_id, expires_at)
values (%(code_sha256)s, %(kind)s, %(name)s, %(owner)s, %(listener_id)s, %(expires_at)s);

-- name: take_login
-- Once: of two who come at the same time, the second finds it used.
update gateway.logins set used_at = now()
where code_sha256 = %(code_sha256)s and used_at is null and expires_at > now()
returning kind, name, service, listener_id;
