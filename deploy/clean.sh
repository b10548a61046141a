#!/bin/sh
# Restores deploy/bus, deploy/db/data and deploy/nas to their state in git: all that the stack has kept is deleted.
#
# Nothing else is touched: secrets, .env and images stay. No symbolic link is followed. It refuses while the stack
# runs, and where something is mounted in one of the folders.
set -eu
cd "$(dirname "$0")"
here=$(pwd -P)
cd "$here"
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX
export GIT_LITERAL_PATHSPECS=1

fail() {
    echo "clean.sh: $*" >&2
    exit 1
}

# Git, also where root cleans what is another user's clone.
git() {
    command git -c safe.directory='*' "$@"
}

refuse_while_the_stack_runs() {
    name=$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' .env 2>/dev/null | tail -n 1)
    name=${COMPOSE_PROJECT_NAME:-${name:-pixmill}}
    for engine in docker podman; do
        command -v "$engine" >/dev/null 2>&1 || continue
        for label in "com.docker.compose.project=$name" "com.docker.compose.project.working_dir=$here"; do
            refuse_where_it_runs "$engine" "$label"
        done
    done
}

refuse_where_it_runs() {
    if said=$("$1" ps --quiet --filter "label=$2" 2>&1); then
        [ -z "$said" ] || fail "the stack runs: end it first ($1 compose --file deploy/compose.yaml down)"
        return 0
    fi
    case $said in
        *"Cannot connect to"*) ;; # no engine runs, and so no container
        *) fail "it can not be told whether the stack runs; $1 says: $said" ;;
    esac
}

refuse_what_is_not_in_git() {
    prefix=$(git rev-parse --show-prefix 2>/dev/null) || fail "this is no clone: there is no state in git to restore"
    for folder; do
        git cat-file -e "HEAD:$prefix$folder/.gitignore" 2>/dev/null || fail "deploy/$folder is not in git"
    done
}

refuse_where_something_is_mounted() {
    [ -r /proc/self/mountinfo ] || return 0
    for folder; do
        FOLDER=$here/$folder awk '
            BEGIN { own = ENVIRON["FOLDER"]; found = 0 }
            {
                at = $5
                gsub(/\\040/, " ", at); gsub(/\\011/, "\t", at); gsub(/\\012/, "\n", at); gsub(/\\134/, "\\", at)
                if (at == own || index(at, own "/") == 1) found = 1
            }
            END { exit found }
        ' /proc/self/mountinfo || fail "something is mounted in deploy/$folder: unmount it first"
    done
}

# Delete what stands at a path, and no more: of a link the link.
delete() {
    if [ -L "./$1" ]; then
        rm "./$1"
    elif [ -d "./$1" ]; then
        # Folders that may not be entered would keep what is in them.
        find -P "./$1" -xdev -type d ! -perm -u=rwx -exec chmod u+rwx {} \;
        find -P "./$1" -xdev -mindepth 1 -delete
    else
        rm -f "./$1"
    fi
}

set -- bus db/data nas
[ ! -L db ] || fail "deploy/db is a link, and is not followed: put the folder back first"
refuse_what_is_not_in_git "$@"
refuse_where_something_is_mounted "$@"
refuse_while_the_stack_runs
for folder; do
    delete "$folder" || fail "deploy/$folder can not be cleaned: run this as the user whose files these are, or as root"
done
git restore --source=HEAD --staged --worktree -- "$@"
[ -z "$(git status --porcelain --ignored=matching --untracked-files=all -- "$@")" ] ||
    fail "deploy is not as it is in git: git status --ignored deploy"
