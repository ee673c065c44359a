#!/bin/bash
# First process of the database containers: runs the image's own entry point and carries out what files in /control
# ask for, since one container cannot restart another. A request is done when its file is gone.
#   stop               stop the server and end
#   restart            stop the server and start it again
#   uninstall-vectors  take pgvecto.rs's files away, as purging its package does
#
# Usage: serve.sh until-filled|for-ever SERVER-COMMAND...
set -eu

control=${MIGRATOR_E2E_CONTROL:-/control}

lifetime=$1
shift
# A second "compose run" starts this container again, while another serves the data that it once made.
if [ "$lifetime" = until-filled ] && [ -e "$control"/filled ]; then
    exit 0
fi

entry_point=$(command -v immich-docker-entrypoint.sh || command -v docker-entrypoint.sh)

stop_server() {
    kill -INT "$server" 2>/dev/null || true
    wait "$server" || true
}
trap 'stop_server; exit 0' TERM INT

while :; do
    "$entry_point" "$@" &
    server=$!
    until [ -e "$control"/stop ] || [ -e "$control"/restart ]; do
        if [ -e "$control"/uninstall-vectors ]; then
            rm -f "$(pg_config --pkglibdir)/vectors.so" "$(pg_config --sharedir)"/extension/vectors{.control,--*.sql}
            rm -f "$control"/uninstall-vectors
        fi
        if ! kill -0 "$server" 2>/dev/null; then
            echo "the server ended by itself" >&2
            exit 1
        fi
        sleep 0.2
    done
    stop_server
    if [ -e "$control"/stop ]; then
        rm -f "$control"/stop
        exit 0
    fi
    rm -f "$control"/restart
done
