#!/usr/bin/env bash
# Installs the Debian packages that the end-to-end tests drive (a browser, SLURM), if missing.
set -euo pipefail

# Daemons live in sbin, which is not on everybody's PATH.
PATH="$PATH:/usr/sbin:/sbin"
missing=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v slurmctld >/dev/null || missing+=(slurmctld)
command -v slurmd >/dev/null || missing+=(slurmd)
command -v sbatch >/dev/null || missing+=(slurm-client)
command -v munged >/dev/null || missing+=(munge)
command -v g++ >/dev/null || missing+=(g++) # DeepSpeed builds one small library with it

[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "the end-to-end tests need: ${missing[*]}; install them with your package manager" >&2
    exit 2
fi
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
echo "installing for the end-to-end tests: ${missing[*]} …"
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
