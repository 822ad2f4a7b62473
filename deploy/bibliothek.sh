#!/bin/sh
# `sudo bibliothek …`: the commands, with the settings of the service and as its user.
cd /etc/bibliothek && exec runuser -u bibliothek -- /opt/bibliothek/bin/bibliothek "$@"
