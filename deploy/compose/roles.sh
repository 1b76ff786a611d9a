#!/bin/sh
# The two roles of the database: one owns the tables and runs migrations, the other is the portal's and cannot rewrite
# the audit record. Postgres runs this once, when its volume is new.
set -eu
: "${AFTERDECK_OWNER_PASSWORD:?Fill in .env, see .env.example}" "${AFTERDECK_APP_PASSWORD:?Fill in .env, see .env.example}"

psql --set ON_ERROR_STOP=1 --set owner="$AFTERDECK_OWNER_PASSWORD" --set app="$AFTERDECK_APP_PASSWORD" <<'SQL'
CREATE ROLE afterdeck_owner LOGIN PASSWORD :'owner';
CREATE ROLE afterdeck_app LOGIN PASSWORD :'app';
CREATE DATABASE afterdeck OWNER afterdeck_owner;
SQL
