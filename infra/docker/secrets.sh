#!/bin/sh
# The secrets of the compose file: made once, in infra/.env, which docker compose reads. One that is missing is added.
set -eu
umask 077
file=${1:-$(dirname "$0")/../.env}
touch "$file"
for name in \
  POSTGRES_PASSWORD POSTGRES_GATEWAY_PASSWORD POSTGRES_AGGREGATOR_PASSWORD POSTGRES_ROLLOUT_PASSWORD \
  POSTGRES_FACTORY_PASSWORD ENCORE_ARM_SALT ENCORE_ENGINE_TOKEN RAY_AUTH_TOKEN ENCORE_MLFLOW_ADMIN_PASSWORD \
  ENCORE_MLFLOW_FACTORY_PASSWORD ENCORE_MLFLOW_ROLLOUT_PASSWORD ENCORE_MLFLOW_OPERATOR_PASSWORD MLFLOW_FORMS_TOKEN; do
  grep -q "^$name=" "$file" || echo "$name=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>"$file"
done
