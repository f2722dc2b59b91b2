#!/bin/sh
# Starts PostgreSQL, and makes its data folder the first time. The variables are those of the official
# image, so that the chart runs either: PGDATA, POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE.
set -eu
bin=/usr/lib/postgresql/15/bin
user=${POSTGRES_USER:-hotfire}
database=${POSTGRES_DB:-$user}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD_FILE:?names the file with the password of $user}"
  # A set-up that was cut short is made again.
  rm -rf "$PGDATA.new"
  "$bin/initdb" --pgdata="$PGDATA.new" --username="$user" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
  if [ "$database" != postgres ]; then
    echo "CREATE DATABASE \"$database\";" |
      "$bin/postgres" --single -D "$PGDATA.new" postgres >/dev/null
  fi
  mv "$PGDATA.new" "$PGDATA"
fi
exec "$bin/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
