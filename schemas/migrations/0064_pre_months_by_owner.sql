-- Tables of months are made and dropped with the right of their owner: whoever folds events owns no table.
-- Who may call these is in services/grants.py.
alter function feedback.add_month(date) security definer set search_path = pg_catalog, pg_temp;
alter function feedback.hold_month(date) security definer set search_path = pg_catalog, pg_temp;
alter function feedback.archive_month(date) security definer set search_path = pg_catalog, pg_temp;
