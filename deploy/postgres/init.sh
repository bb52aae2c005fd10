#!/bin/bash
# Runs once, when the volume of PostgreSQL is empty: for each service a database of its data, with a role that owns
# it and one that serves (what that one may do is granted by the migrations), and a database of its people's keys
# with a role of its own. Passwords are those in the URLs that the services read.
set -euo pipefail
secrets=${SECRETS_DIR:-/run/secrets}

# The password in postgresql://role:password@host/database; the generated ones are hexadecimal.
password_in() {
  sed -n 's|^postgresql://[^:/@]*:\([0-9a-f]\{32,\}\)@.*$|\1|p' "$secrets/$1"
}

sql() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres "$@"
}

role() {
  local name=$1 password
  password=$(password_in "$2")
  if [ -z "$password" ]; then
    echo "The secret $2 is no postgresql:// URL with a password of 32 or more hexadecimal digits." >&2
    exit 1
  fi
  # On standard input: an argument would show the password to whoever may list processes.
  printf "CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '%s';\n" \
    "$name" "$password" | sql
}

database() {
  sql --command "CREATE DATABASE $1 OWNER $2"
  sql --command "REVOKE ALL ON DATABASE $1 FROM PUBLIC"
}

for service in income_intake buffer_ledger notifier; do
  role "${service}_owner" "${service}_owner_database_url"
  role "${service}_service" "${service}_database_url"
  role "${service}_keys" "${service}_keys_database_url"
  database "$service" "${service}_owner"
  sql --command "GRANT CONNECT ON DATABASE $service TO ${service}_service"
  database "${service}_keys" "${service}_keys"
done
