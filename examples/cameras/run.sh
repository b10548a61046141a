#!/bin/sh
# What six cameras on a line do, with curl alone: upload a picture, send the operations that are to
# be carried out on it, wait, and save the result beside it.
#
#     ./run.sh http://127.0.0.1:5000 pm_…
#
# The third word names the folder that results are saved in, by default the one of each camera; it is
# made where it is missing. May be run again, also after the service was killed: an upload that came
# is a duplicate, and the same operations under the same Idempotency-Key are the same job.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 SERVER KEY [FOLDER]" >&2
    exit 2
fi
server=$1 key=$2 here=$(cd "$(dirname "$0")" && pwd)
into=${3:-}
jobs=$(mktemp -d)
trap 'rm -r "$jobs"' EXIT
run=${RUN:-$(date -u +%Y%m%dT%H%M%SZ)-$$}

ask() {
    # Tried again while the service is not there, or has too much to do.
    curl --silent --show-error --fail-with-body --max-time 60 --retry 60 --retry-delay 1 \
        --retry-all-errors --retry-max-time 180 --header "Authorization: Bearer $key" "$@"
}

# The value of a word of a JSON document: the first one that has it.
word() {
    sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

for camera in "$here"/[1-6]-*; do
    name=$(basename "$camera")
    md5=$(ask --data-binary "@$camera/picture.jpg" \
        --header 'Content-Type: application/octet-stream' \
        "$server/images?source=$name&reference=$run" | tr ',' '\n' | word md5)
    ask --data-binary "@$camera/operations" --header 'Content-Type: text/plain' \
        --header "Idempotency-Key: $run-$name" \
        "$server/images/$md5/operations?source=$name&reference=$run" | tr ',{' '\n\n' | word id \
        > "$jobs/$name"
    echo "$name: sent as $(cat "$jobs/$name")"
done

for camera in "$here"/[1-6]-*; do
    name=$(basename "$camera")
    job=$(cat "$jobs/$name")
    while :; do
        told=$(ask "$server/jobs/$job" | tr ',{' '\n\n')
        state=$(printf '%s\n' "$told" | word state)
        case $state in
        queued | running) sleep 0.2 ;;
        *) break ;;
        esac
    done
    if [ "$state" != succeeded ]; then
        echo "$name: $state: $(printf '%s\n' "$told" | word message)" >&2
        exit 1
    fi
    path=$(printf '%s\n' "$told" | word path)
    mkdir -p "${into:-$camera}"
    result=${into:-$camera}/$name-result.${path##*.}
    ask --output "$result" "$server/jobs/$job/result"
    echo "$name: $path"
done
