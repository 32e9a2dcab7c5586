#!/usr/bin/env bash
# The OpenAPI documents of a development server before an independent validator (openapi-spec-validator), and its API before an
# independent fuzzer (schemathesis). There is something in it: simulated devices, a server token of the fake Apple Business
# Manager, profiles, hooks. Fails on findings.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath "${CARGO_TARGET_DIR:-target}")
export RUSSET=${RUSSET:-$target/debug/russet} SIMULATOR=${SIMULATOR:-$target/debug/russet-sim}
venv=${FUZZ_VENV:-$target/fuzz-venv}
version=${SCHEMATHESIS_VERSION:-4.32.5}
validator=0.9.0
seconds=${FUZZ_SECONDS:-240}
work=$(mktemp -d)
run=
stop() {
    trap - EXIT INT TERM
    [ -z "$run" ] || { kill "$run" 2>/dev/null && wait "$run" 2>/dev/null; } || true
    [ -n "${FUZZ_KEEP:-}" ] || rm -rf "$work"
}
trap 'stop; exit 1' INT TERM
trap stop EXIT

if ! { "$venv/bin/schemathesis" --version | grep -qF "$version" && [ -x "$venv/bin/openapi-spec-validator" ]; } 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "schemathesis==$version" "openapi-spec-validator==$validator"
fi

# Ports that are free; nothing here is to collide with a server that runs already.
export DATA="$work/data" COUNT=3 BOXES=4 DEVICE_LISTEN=127.0.0.1:0 OPERATOR_LISTEN=127.0.0.1:0
export ABM_LISTEN=127.0.0.1:0 ABM_CONTROL=127.0.0.1:0 APNS_LISTEN=127.0.0.1:0 APNS_CONTROL=127.0.0.1:0
scripts/run.sh >"$work/run.log" 2>&1 &
run=$!
for _ in $(seq 1200); do
    grep -q 'Russet is running' "$work/run.log" && break
    kill -0 "$run" 2>/dev/null || { cat "$work/run.log" >&2; exit 1; }
    sleep 0.1
done
operator=$(sed -n 's/.* operator \([^ ]*\).*/\1/p' "$DATA/ready")
key=$(cat "$DATA/dev-api-key")
ask() { # METHOD PATH [JSON]
    curl --silent --show-error --fail-with-body --output /dev/null -X "$1" -H "Authorization: Bearer $key" \
        ${3:+-H 'Content-Type: application/json' --data "$3"} "$operator$2"
}
ask POST /v1/hooks "{\"name\":\"fuzz\",\"url\":\"http://127.0.0.1:9/\",\"topics\":[\"mdm.*\"],\"generate_secret\":true}"
ask POST /v1/apikeys '{"name":"fuzz","scopes":["read"]}'
ask POST /v1/ade/tokens '{"name":"spare"}'
ask POST /v1/ade/accounts '{"name":"fuzz","password":"long enough"}'
ask POST /v1/hold-profiles '{"name":"fuzz"}'
ask POST /v1/users '{"name":"fuzz","role":"viewer","password":"long enough for a user"}'

# The first text under the key $1 of an answer.
first() { grep -om1 "\"$1\": *\"[^\"]*\"" | cut -d'"' -f4; }
get() { curl --silent --show-error --fail-with-body -H "Authorization: Bearer $key" "$operator$1"; }
device=$(get '/v1/enrollments?limit=1&enabled=true' | first id)
# One that came out of its box, and does not answer any more: what is queued for it stays queued.
serial=$(get '/v1/ade/devices?limit=1' | first serial)
export FUZZ_TOPIC FUZZ_COMMAND FUZZ_DEVICE
FUZZ_DEVICE=$(get "/v1/enrollments?serial=$serial" | first id)
FUZZ_TOPIC=$(get /v1/push-certificates | first topic)
FUZZ_COMMAND=$("$RUSSET" device cmd "$device" DeviceInformation --data "$DATA" --json | tr ',' '\n' | first command_uuid)

# Whether the documents are some, first.
for document in openapi openapi-nano; do
    curl --silent --show-error --fail --output "$work/$document.json" "$operator/$document.json"
    "$venv/bin/openapi-spec-validator" --schema 3.1 "$work/$document.json"
done

# What is found depends on the seed. The fuzzer leaves its notes where it is started.
config=$PWD/scripts/fuzz-api.toml
cd "$work"
fuzz() { # DOCUMENT [OPTION ...]
    "$venv/bin/schemathesis" --config-file "$config" run "$operator/$1.json" \
        --header "Authorization: Bearer $key" --max-time "$seconds" --seed "${FUZZ_SEED:-$RANDOM}" \
        --continue-on-failure --no-color "${@:2}"
    kill -0 "$run" 2>/dev/null || { echo 'the server did not live through it' >&2; exit 1; }
}
fuzz openapi ${FUZZ_REPORT:+--report json --report-json-path "$FUZZ_REPORT"} "$@"
! grep -E 'panicked|\bERROR\b' "$DATA/server.log"
# Its 500s are in the log, too.
fuzz openapi-nano "$@"
! grep panicked "$DATA/server.log"
