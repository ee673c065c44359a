#!/bin/bash
# Has the server restarted by its own container, see serve.sh. Returns once the old one is gone.
set -eu

control=${MIGRATOR_E2E_CONTROL:-/control}
touch "$control/restart"
while [ -e "$control/restart" ]; do
    sleep 0.2
done
