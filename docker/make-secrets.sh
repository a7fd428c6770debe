#!/bin/sh
# Makes docker/secrets/ with random passwords for compose.yaml. Existing files are kept.
set -eu
cd "$(dirname "$0")"
# The folder is private. The files must be readable by the containers' own users, who see them
# as single mounted files.
mkdir -p secrets
chmod 700 secrets
umask 022
for name in postgres catalog backup people; do
    [ -s "secrets/${name}_password" ] ||
        od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"secrets/${name}_password"
done
printf 'postgresql://dbguard:%s@postgres:5432/postgres' \
    "$(cat secrets/catalog_password)" >secrets/catalog_dsn
printf 'postgresql://dbguard_backup:%s@postgres:5432/postgres' \
    "$(cat secrets/backup_password)" >secrets/backup_dsn
