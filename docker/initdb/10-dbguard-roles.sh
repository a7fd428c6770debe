#!/bin/sh
# The two roles that dbguard itself logs in with. Runs once, when the server's volume is empty.
set -eu
secrets=${SECRETS:-/run/secrets}
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
    --set=catalog_password="$(cat "$secrets/catalog_password")" \
    --set=backup_password="$(cat "$secrets/backup_password")" <<'SQL'
CREATE ROLE dbguard LOGIN PASSWORD :'catalog_password';
CREATE ROLE dbguard_backup LOGIN CREATEDB BYPASSRLS PASSWORD :'backup_password';
GRANT pg_read_all_stats TO dbguard;
GRANT pg_read_all_data TO dbguard_backup;
SQL
