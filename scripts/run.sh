#!/usr/bin/env bash
# A development server with fakes of Apple's push service and of Apple Business Manager: loads a server token, syncs its
# devices, gives them a profile, boots them out of their boxes, enrolls others by hand, sends each a command, for which a
# push wakes it, and keeps serving.
set -euo pipefail

data=${DATA:-dev-data}
russet=${RUSSET:-target/release/russet}
simulator=${SIMULATOR:-target/release/russet-sim}
count=${COUNT:-10}
boxes=${BOXES:-6}
abm_listen=${ABM_LISTEN:-127.0.0.1:2199}
abm_control=${ABM_CONTROL:-127.0.0.1:2200}
apns_listen=${APNS_LISTEN:-127.0.0.1:2197}
apns_control=${APNS_CONTROL:-127.0.0.1:2198}
pids=()

stop() {
    trap - EXIT INT TERM
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap 'stop; exit 0' INT TERM
trap stop EXIT

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

if [ -f "$data/russet.toml" ]; then
    step "1. The development data directory $data is there already"
else
    step "1. Setting up the development data directory $data"
    "$russet" init --dev --data "$data" --device-listen "$DEVICE_LISTEN" --operator-listen "$OPERATOR_LISTEN"
fi

# Waits until the process $1 has written to the file $2, and prints that; $3 is its log.
await() {
    for _ in $(seq 100); do
        [ -s "$2" ] && break
        kill -0 "$1" 2>/dev/null || { cat "$3" >&2; exit 1; }
        sleep 0.1
    done
    cat "$2"
}

step "2. Starting the fakes of Apple's services and the server"
ready="$data/ready"
mkdir -p "$data/apns"
: >"$data/apns/ready"
"$simulator" apns --listen "$apns_listen" --control "$apns_control" --data "$data/apns" \
    >"$data/apns/ready" 2>"$data/apns/log" &
pids+=("$!")
await "$!" "$data/apns/ready" "$data/apns/log"
apns=$(sed -n 's/^apns ready: endpoint \([^ ]*\).*/\1/p' "$data/apns/ready")
apns_control=$(sed -n 's/.* control \([^ ]*\).*/\1/p' "$data/apns/ready")

mkdir -p "$data/abm"
: >"$data/abm/ready"
"$simulator" abm --listen "$abm_listen" --control "$abm_control" --data "$data/abm" --devices "$boxes" \
    >"$data/abm/ready" 2>"$data/abm/log" &
pids+=("$!")
await "$!" "$data/abm/ready" "$data/abm/log"
abm=$(sed -n 's/^abm ready: endpoint \([^ ]*\).*/\1/p' "$data/abm/ready")
abm_control=$(sed -n 's/.* control \([^ ]*\).*/\1/p' "$data/abm/ready")
"$simulator" device authority --device-ca "$data/abm" >/dev/null

log="$data/server.log"
: >"$ready"
RUSSET_APNS__ENDPOINT="$apns" RUSSET_APNS__CA_FILE="$(realpath "$data/apns/apns-ca.pem")" \
    RUSSET_ADE__MANUAL_MIN_INTERVAL=0s RUSSET_ADE__FULL_MIN_INTERVAL=0s \
    RUSSET_ADE__BASE_URL="$abm" RUSSET_ADE__CA_FILE="$(realpath "$data/abm/abm-ca.pem")" \
    RUSSET_ADE__SIMULATED_CA="$(realpath "$data/abm/device-ca.pem")" \
    "$russet" serve --data "$data" >"$ready" 2>"$log" &
server=$!
pids+=("$server")
await "$server" "$ready" "$log"
device=$(sed -n 's/^russet ready: device \([^ ]*\).*/\1/p' "$ready")
operator=$(sed -n 's/.* operator \([^ ]*\).*/\1/p' "$ready")

step "3. Loading the token of the fake Apple Business Manager"
ade() { "$russet" ade "$@" --data "$data"; }
if ade token show hq >/dev/null 2>&1; then
    ade token renew hq --out "$data/abm/hq.pem" >/dev/null
else
    ade token pubkey hq --out "$data/abm/hq.pem" >/dev/null
fi
"$simulator" abm token hq --control "$abm_control" --certificate "$data/abm/hq.pem" --out "$data/abm/hq.p7m" >/dev/null
# The fake begins anew with each run, and so does its MDM server.
ade token import hq "$data/abm/hq.p7m" --force
for platform in ios macos tvos; do
    ade profile show "$platform" --token hq >/dev/null 2>&1 ||
        ade profile create "$platform" --token hq --set platform="$platform" --hide-all
    ade profile default "$platform" --token hq
done

step "4. Syncing its devices, and giving them their profiles"
ade sync hq --full --follow

step "5. Booting $boxes devices out of their boxes"
"$simulator" device boot --abm "$abm_control" --device-ca "$data/abm" --ca "$data/tls-ca.pem" --state "$data/boxes" \
    --count "$boxes" --wait 30
ade device list --token hq

step "6. Enrolling $count other devices by their profile"
# The devices connect when they are pushed, until their standard input closes, which this pipe does with the script.
pipe=$(mktemp -u)
mkfifo "$pipe"
exec 3<>"$pipe"
rm "$pipe"
: >"$data/devices.log"
"$simulator" run --url "$device/enroll" --ca "$data/tls-ca.pem" --count "$count" \
    --apns-wake "$apns_control" <&3 \
    >"$data/devices.log" 2>&1 &
pids+=("$!")
for _ in $(seq 600); do
    enrolled=$(grep -c ' enrolled in ' "$data/devices.log" || true)
    [ "$enrolled" -ge "$count" ] && break
    sleep 0.1
done
grep ' enrolled in ' "$data/devices.log"

step "7. Asking each for its DeviceInformation: a push wakes it"
# Only this run's devices: those of earlier runs are gone.
grep ' enrolled in ' "$data/devices.log" | sed -n 's/.* \([^ ]*\) enrolled in .*/\1/p' | while read -r serial; do
    answer=$("$russet" device cmd "$serial" DeviceInformation --wait 20 --data "$data" --json) || { echo "$answer"; continue; }
    sed -n 's/.*"DeviceName":"\([^"]*\)".*"OSVersion":"\([^"]*\)".*/  \1, OS \2: acknowledged/p' <<<"$answer"
done

# Whoever has this link makes the first administrator, once. With a user there is none.
setup=$(sed -n 's/^there is no user yet; make the first administrator at \([^ ]*\) .*/\1/p' "$log")
administrator="sign in, or: $russet user setup-link --data $data"
[ -z "$setup" ] || administrator="the first administrator, once, within 15 minutes: $setup"

step "Russet is running. Ctrl-C ends it."
cat <<TEXT
  console     $operator        ($administrator)
  devices     $device        (enroll at $device/enroll; trust anchor $data/tls-ca.pem)
  API         $operator        (key in $data/dev-api-key)
  fake APNs   $apns        (control $apns_control; its trust anchor is $data/apns/apns-ca.pem)
  fake ABM    $abm        (control $abm_control; its trust anchor is $data/abm/abm-ca.pem)
  server log  $log
  try         $russet device list --data $data
              $russet device cmd SERIAL SecurityInfo --wait --data $data
              $simulator apns fault --control $apns_control --reason Unregistered --share 0.1
              $simulator apns stats --control $apns_control
              $simulator abm stock hq 5 --control $abm_control; $russet ade sync hq --follow --data $data
              $russet ade why SERIAL --data $data
              curl -u admin:\$(cat $data/dev-api-key) $operator/v1/enrollments
TEXT
wait "$server"
