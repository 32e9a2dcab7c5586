#!/usr/bin/env bash
# Measures the server alone (its processor time and memory), with the simulator as the load on the same machine.
# Clients' keys, requests and results are made before the clock starts. COUNT and CONNECTIONS change the load.
set -euo pipefail

russet=${RUSSET:-target/release/russet}
simulator=${SIMULATOR:-target/release/russet-sim}
connections=${CONNECTIONS:-16}
count=${COUNT:-20000}
fleet=${FLEET:-10000}
work=${BENCH_DATA:-bench-data}
rm -rf "$work"
mkdir -p "$work"

server=
stop() { [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; server=; return 0; }
trap stop EXIT

# start NAME [VARIABLE=VALUE …]: a development server on free ports.
start() {
    local name=$1
    shift
    "$russet" init --dev --data "$work/$name" --device-listen 127.0.0.1:0 --operator-listen 127.0.0.1:0 >/dev/null
    : >"$work/$name.ready"
    env RUSSET_LOG=error "$@" "$russet" serve --data "$work/$name" >"$work/$name.ready" 2>"$work/$name.log" &
    server=$!
    for _ in $(seq 100); do
        [ -s "$work/$name.ready" ] && break
        sleep 0.1
    done
    device=$(sed -n 's/^russet ready: device \([^ ]*\).*/\1/p' "$work/$name.ready")
    operator=$(sed -n 's/.* operator \([^ ]*\).*/\1/p' "$work/$name.ready")
    key=$(cat "$work/$name/dev-api-key")
}

storm() {
    "$simulator" storm "$@" --url "$device/enroll" --ca "$ca" --pid "$server" --connections "$connections" \
        --operator "$operator" --operator-key "$key" --state "$state"
}

echo "== Plain HTTP behind a proxy, Mdm-Signature; $connections connections =="
start http RUSSET_TLS__MODE=proxy 'RUSSET_SERVER__TRUSTED_PROXIES=["127.0.0.1"]'
ca=$work/http/tls-ca.pem state=$work/http-sim
storm enroll --count 2000
storm idle --devices 200 --count "$count"
storm roundtrip --devices 2000 --count 2000

echo
echo "== TLS, client certificates; $connections connections =="
stop
start tls
ca=$work/tls/tls-ca.pem state=$work/tls-sim
storm enroll --count 500
storm idle --devices 200 --count "$count"
storm tls-connect --devices 200 --count 2000

echo
echo "== $fleet enrollments: memory and disk =="
stop
start fleet RUSSET_TLS__MODE=proxy 'RUSSET_SERVER__TRUSTED_PROXIES=["127.0.0.1"]'
ca=$work/fleet/tls-ca.pem state=$work/fleet-sim
storm enroll --count "$fleet"
bytes=$(du -sb "$work/fleet/db" | cut -f1)
echo "disk: $((bytes / fleet)) bytes a device ($bytes bytes)"
grep VmRSS "/proc/$server/status"
