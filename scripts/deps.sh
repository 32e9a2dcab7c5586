#!/usr/bin/env bash
# Installs the Debian packages named as arguments that are missing, or says how to.
set -euo pipefail

if ! command -v cargo >/dev/null; then
    echo "Rust is missing. Install it from https://rustup.rs, then run make again." >&2
    exit 1
fi
if ! command -v dpkg-query >/dev/null; then
    # Not Debian or Ubuntu: the build itself will say what it misses.
    exit 0
fi

missing=()
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
command -v cc >/dev/null || missing+=(gcc libc6-dev)
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Missing packages: ${missing[*]}"
if [ "$(id -u)" -eq 0 ]; then
    runner=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    runner=(sudo)
else
    echo "Install them by hand, then run make again:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
    exit 1
fi
"${runner[@]}" apt-get update -q
DEBIAN_FRONTEND=noninteractive "${runner[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
