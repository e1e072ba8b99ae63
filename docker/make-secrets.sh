#!/usr/bin/env bash
# Makes what compose.yaml reads as secrets, once: a second call changes nothing.
set -euo pipefail
folder=$(realpath "$(dirname "$0")")/secrets
[ ! -e "$folder" ] || { echo "$folder is there: nothing done" >&2; exit 0; }
# The folder keeps others out; the files in it are read by the users of several images.
mkdir --mode=0700 "$folder"
cd "$folder"
openssl rand -hex 32 > id_key
openssl rand -hex 24 > postgres_password
openssl rand -hex 10 > minio_user
openssl rand -hex 24 > minio_password
cat > aws_credentials <<END
[default]
aws_access_key_id = $(cat minio_user)
aws_secret_access_key = $(cat minio_password)
END
cat > catalog.yaml <<END
catalog:
  nightrounds:
    uri: postgresql+pg8000://nightrounds:$(cat postgres_password)@postgres/nightrounds
END
chmod 0444 ./*
