#!/usr/bin/env bash
# Runs the Dockerfile's own steps where no container engine is: as near to a build as can be.
#
#   docker/verify.sh FOLDER      as root, with debootstrap; FOLDER is made and holds some 8 GB
#
# In place of the base image stands Debian bookworm of debootstrap, with its Python 3.11. Each stage
# is a root folder of its own, each RUN a chroot with its USER, ENV and WORKDIR. Images that are
# copied from (Beam's boot, the launcher of templates) are not there. Then `nightrounds --help`
# runs, every module is imported, and the worker pool is started, reached at its port, and ended.
set -euo pipefail
[ $# = 1 ] && [ ! -e "$1" ] || { echo "usage: docker/verify.sh FOLDER, which is not there yet" >&2; exit 2; }
command -v debootstrap > /dev/null || { echo "no debootstrap here: apt-get install debootstrap" >&2; exit 2; }
mkdir -p "$1"
roots=$(realpath "$1")
context=$(realpath "$(dirname "$0")/..")
python=${PYTHON:-python3.11}

clean() {
  # python3-distutils: debootstrap does not resolve what another package provides.
  debootstrap --variant=minbase \
    --include=ca-certificates,python3,python3-distutils,python3-venv bookworm "$roots/clean" > "$roots/debootstrap.log"
  # What a root needs to reach the package index that this machine uses.
  cp -L /etc/resolv.conf /etc/hosts "$roots/clean/etc/"
  cp -L /etc/ssl/certs/ca-certificates.crt "$roots/clean/etc/ssl/certs/"
  if [ -e /etc/pip.conf ]; then cp -L /etc/pip.conf "$roots/clean/etc/"; fi
}

begin() { # STAGE BASE: files are shared with the base until a step replaces them
  echo "== $1 from ${2:-a clean root}"
  cp --archive --link "$roots/${2:-clean}" "$roots/$1"
}

inside() { # STAGE USER WORKDIR NAME=VALUE… -- WORD…
  local root=$roots/$1 user=$2 folder=$3 environment=()
  shift 3
  while [ "$1" != -- ]; do environment+=("$1"); shift; done
  shift
  local home
  home=$(awk -F: -v user="${user%%:*}" '$1 == user || $3 == user {print $6}' "$root/etc/passwd")
  exec unshare --mount --pid --fork sh -c 'mount -t proc proc "$1/proc" && shift && exec "$@"' sh "$root" \
    chroot --userspec="${user/root/0:0}" "$root" env --ignore-environment HOME="$home" "${environment[@]}" \
    sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
}

step() { # as inside, with one COMMAND for the shell
  echo "-- RUN ${*: -1}"
  (inside "${@:1:$#-1}" sh -c "${*: -1}")
}

copy() { # STAGE USER DESTINATION SOURCE…
  local root=$roots/$1 user=$2 to=$3 source
  shift 3
  echo "-- COPY $* $to"
  for source; do
    if [ -d "$context/$source" ]; then
      mkdir -p "$root$to" && cp -r "$context/$source/." "$root$to"
    elif [ "${to%/}" != "$to" ]; then
      mkdir -p "$root$to" && cp "$context/$source" "$root$to"
    else
      install -D "$context/$source" "$root$to"
    fi
  done
  chroot "$root" chown -R "$user" "$to"
}

copy_from() { # STAGE OTHER SOURCE DESTINATION
  echo "-- COPY --from=$2 $3 $4"
  mkdir -p "$roots/$1$4" && cp --archive --link "$roots/$2$3/." "$roots/$1$4"
}

start() { # as inside, with the stage's ENTRYPOINT and CMD
  local words=("$@") port=50000
  echo "== start $1: ${*: -1}"
  case $1 in
    launcher)
      (inside "$@") | head -3
      while [ "${words[-1]}" != -- ]; do unset 'words[-1]'; done
      (inside "${words[@]}" python -c "$imports") ;;
    worker)
      (inside "$@") & local pid=$!
      for _ in $(seq 120); do
        if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then break; fi
        kill -0 $pid
        sleep 1
      done
      (exec 3<> "/dev/tcp/127.0.0.1/$port") && echo "the worker pool listens at $port"
      # The first process of a namespace gets no TERM that it does not handle; all others end with it.
      kill -KILL "$(cat /proc/$pid/task/$pid/children)"
      wait $pid || echo "the worker pool was ended" ;;
  esac
}

imports='
import importlib, os, pkgutil
names = [m.name for p in ("pipelines", "transforms", "model_defs")
         for m in pkgutil.walk_packages(importlib.import_module(p).__path__, p + ".")]
for name in names: importlib.import_module(name)
print(f"imported {len(names)} modules as user {os.getuid()}")'

clean
script=$(cd "$context" && "$python" -m bench.dockerfile docker/Dockerfile launcher worker)
eval "$script"
echo "docker/verify.sh: every step ran"
