#!/bin/sh
# Runs the three images as docs/deploy.md tells to: as a user that they do not know, on a read-only root.
# Usage: test.sh ENGINE
set -eu

engine=$1
work=$(mktemp -d)
api=pixmill-image-test-$$
cleanup() {
    "$engine" rm --force "$api" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

hardened() {
    "$engine" run --rm --init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges "$@"
}

fail() {
    echo "image-test: $*" >&2
    exit 1
}

echo "cli: leaves its table beside the list, as the user who asks"
# A mounted folder is written to as its owner, or by root for a user that nobody knows.
user=$(id -u):$(id -g)
if [ "$user" = 0:0 ]; then
    user=12345:12345
    chown "$user" "$work"
fi
hardened --user "$user" --volume "$work:/data" pixmill demo >/dev/null
[ -s "$work/pixmill-demo/urls.txt-colors.csv" ] || fail "the demo left no table"
hardened --user "$user" --volume "$work:/data" pixmill colors pixmill-demo -o colors.csv
[ -s "$work/colors.csv" ] || fail "there is no table beside the list"
[ "$(stat -c %u:%g "$work/colors.csv")" = "$user" ] || fail "the table is another user's"

echo "cli: has its kernels compiled"
# The command in single quotes is for the shell of the container.
# shellcheck disable=SC2016
hardened --user 12345:12345 --entrypoint sh pixmill -ec '
    /opt/pixmill/start.sh colors --help >/dev/null
    python /opt/pixmill/kernels.py
    [ "$(find "$NUMBA_CACHE_DIR" -type f | wc -l)" = "$(find /opt/pixmill/kernels -type f | wc -l)" ]
' || fail "a container compiles kernels"

echo "cli: all is well, by its own account"
hardened --user 12345:12345 pixmill doctor >/dev/null || fail "pixmill doctor finds something amiss"

echo "api: gets healthy, and ends well"
hardened --detach --name "$api" --user 12345:12345 pixmill-api >/dev/null
for _ in $(seq 60); do
    if "$engine" exec "$api" python /opt/pixmill/healthy.py api 2>/dev/null; then
        healthy=yes
        break
    fi
    sleep 1
done
[ "${healthy-}" = yes ] || fail "the service does not answer"
"$engine" stop --time 40 "$api" >/dev/null

echo "worker: is the same installation"
hardened pixmill-worker --version >/dev/null

for image in pixmill pixmill-api pixmill-worker; do
    [ "$("$engine" image inspect --format '{{.Config.User}}' "$image")" = 10001:10001 ] ||
        fail "$image does not run as its own user"
done
echo "the images are well"
