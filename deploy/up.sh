#!/bin/sh
# Starts the stack of compose.yaml, and makes what it needs before: folders, secrets and .env.
#
# Usage: deploy/up.sh [mongo] [s3] | plain
# `mongo` keeps the archive's images in MongoDB, `s3` its files in S3; `plain` neither. Without arguments it is as
# the last time. Everything runs as the user who calls this, or for root as user 10001.
set -eu
umask 077
cd "$(dirname "$0")"

fail() {
    echo "up.sh: $*" >&2
    exit 1
}

find_engine() {
    for name in docker podman; do
        if command -v "$name" >/dev/null 2>&1 && "$name" compose version >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    fail "this needs docker with its compose plugin, 2.24 or later (or podman with it): install one, or see" \
        "docs/deploy.md for the same without containers"
}

# The value of a name in .env, which is empty where there is none.
kept() {
    [ ! -e .env ] || sed -n "s/^$1=//p" .env | tail -n 1
}

# Set names in .env, and leave the lines of others as they are.
keep() {
    touch .env
    for line; do
        grep -v "^${line%%=*}=" .env >.env.new || true
        printf '%s\n' "$line" >>.env.new
        mv .env.new .env
    done
}

choose_user() {
    uid=$(kept PIXMILL_UID)
    gid=$(kept PIXMILL_GID)
    if [ -z "$uid" ] || [ -z "$gid" ]; then
        uid=$(id -u)
        gid=$(id -g)
        [ "$uid" != 0 ] || { uid=10001 && gid=10001; }
        keep "PIXMILL_UID=$uid" "PIXMILL_GID=$gid"
    fi
}

choose_profiles() {
    mongo='' s3='' profiles=''
    for word; do
        case $word in
            mongo) mongo=yes ;;
            s3) s3=yes ;;
            plain) ;;
            *) fail "$word is no profile: mongo, s3, both, or plain" ;;
        esac
    done
    [ "$#" = 0 ] && [ -n "$(kept COMPOSE_PROFILES)$(kept PIXMILL_BLOBS)" ] && return
    [ -z "$mongo" ] || profiles=mongo
    [ -z "$s3" ] || profiles=${profiles:+$profiles,}s3
    keep "COMPOSE_PROFILES=$profiles" \
        "PIXMILL_ARCHIVE_FILE=${mongo:+/run/secrets/archive}" \
        "PIXMILL_BLOBS=${s3:+s3://pixmill/blobs}" \
        "PIXMILL_S3_ENDPOINT=${s3:+http://s3:7070}" \
        "PIXMILL_S3_REGION=${s3:+us-east-1}" \
        "PIXMILL_S3_ACCESS_KEY_FILE=${s3:+/run/secrets/s3_access_key}" \
        "PIXMILL_S3_SECRET_KEY_FILE=${s3:+/run/secrets/s3_secret_key}"
}

# A folder that the containers can write to. A link is the operator's own affair.
make_folder() {
    [ -d "$1" ] || (umask 022 && mkdir -p "$1") || fail "deploy/$1 can not be made"
    [ ! -L "$1" ] || return 0
    [ "$(id -u)" != 0 ] || chown "$uid:$gid" "$1"
    [ "$(id -u)" = 0 ] || [ -w "$1" ] ||
        fail "deploy/$1 is another user's: chown it to $uid:$gid, or run this as that user"
}

# A secret keeps its value once it has one, and has it whole or not at all.
secret() {
    if [ ! -e "secrets/$1" ]; then
        printf '%s\n' "$2" >"secrets/.$1.new"
        chmod 0400 "secrets/.$1.new"
        mv "secrets/.$1.new" "secrets/$1"
    fi
    [ "$(id -u)" != 0 ] || chown "$uid:$gid" "secrets/$1"
}

random() {
    od -An -vtx1 -N 32 /dev/urandom | tr -d ' \n'
}

make_secrets() {
    (umask 022 && mkdir -p secrets)
    [ -e secrets/db_password ] || [ ! -e db/data/pgdata ] ||
        fail "deploy/db/data has a database, but its password is not in deploy/secrets: put it back, or clean.sh"
    secret db_password "$(random)"
    secret catalog "postgresql://pixmill:$(cat secrets/db_password)@db:5432/pixmill"
    bus=$(random)
    secret broker "amqp://pixmill:$bus@bus:5672/pixmill"
    # As the broker's URL has it, also where that was there before.
    bus=$(sed 's|^amqp://pixmill:\(.*\)@.*|\1|' secrets/broker)
    secret bus_user.conf "default_vhost = pixmill
default_user = pixmill
default_pass = $bus"
    secret mongo_password "$(random)"
    secret archive "mongodb://pixmill:$(cat secrets/mongo_password)@mongo:27017/pixmill?authSource=admin"
    secret s3_access_key pixmill
    secret s3_secret_key "$(random)"
}

engine=$(find_engine)
choose_user
choose_profiles "$@"
for folder in bus db db/data nas; do
    make_folder "$folder"
done
make_secrets
case ,$(kept COMPOSE_PROFILES), in *,mongo,*) make_folder db/data/mongo ;; esac
case ,$(kept COMPOSE_PROFILES), in *,s3,*) make_folder nas/s3 ;; esac

"$engine" compose --file compose.yaml --project-directory . up --detach --build --wait
echo "pixmill answers at http://$(kept PIXMILL_PUBLISH | grep . || echo 127.0.0.1:5000); its first key is in deploy/nas/first-key"
