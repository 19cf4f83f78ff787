#!/bin/sh
# Writes infra/secrets.env with new secrets, readable by its owner alone; refuses to replace one.
#   sh infra/new_secrets.sh && docker compose -f infra/compose.yaml --env-file infra/secrets.env up
set -eu
umask 077
file=${1:-$(dirname "$0")/secrets.env}
if [ -e "$file" ]; then
    echo "$file is there already: its databases know no other password." >&2
    exit 1
fi
word() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
for name in POSTGRES_PASSWORD PREFECT_PASSWORD MLFLOW_PASSWORD MLFLOW_SIGNING_KEY \
    STORE_ACCESS_KEY STORE_SECRET_KEY RAY_TOKEN PAGE_TOKEN; do
    echo "$name=$(word)"
done > "$file"
echo "$file is written."
