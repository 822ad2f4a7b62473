#!/bin/sh
# A certificate for a library that the internet cannot reach: the name is proven by a record in its DNS (ACME, DNS-01).
# Put into /etc/cron.daily/bibliothek-certificate; asks for a new one 30 days before the old one ends, and does nothing otherwise.
#
# /etc/bibliothek/dns.env (0600, root) says NAME, EMAIL, DNS (a provider of `lego dnshelp`) and what that provider wants, such as
# DESEC_TOKEN. MORE is handed to lego as it is.
set -eu

set -a
. "${SETTINGS:-/etc/bibliothek/dns.env}"
set +a
kept=${KEPT:-/var/lib/bibliothek-certificate}
# Where Caddy reads it, as its user.
read_at=${READ_AT:-/etc/caddy}
group=${GROUP:-caddy}

umask 077
if [ -e "$kept/certificates/$NAME.crt" ]; then todo="renew --days 30"; else todo=run; fi
# shellcheck disable=SC2086 -- several words each
lego --accept-tos --path "$kept" --email "$EMAIL" --dns "$DNS" --domains "$NAME" ${MORE:-} $todo

if cmp -s "$kept/certificates/$NAME.crt" "$read_at/bibliothek.crt"; then exit 0; fi
for part in key crt; do
    install -m 0640 -g "$group" "$kept/certificates/$NAME.$part" "$read_at/bibliothek.$part"
done
if [ -d /run/systemd/system ]; then systemctl reload caddy; fi
