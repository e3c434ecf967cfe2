#!/bin/sh
# Switch to the newest staged release: docs/validator.md, "Upgrade and return".
#
# It fetches nothing. An operator stages a release, and so decides that it may run; the timer only
# chooses the hour. A release that was tried and returned from is left to the operator.
set -eu

sn37=${1:-/opt/sn37/current/bin/sn37}
status=$("$sn37" upgrade status)

unfinished=$(printf '%s\n' "$status" | sed -n 's/^not finished: sn37 upgrade switch \([^,]*\),.*/\1/p')
if [ -n "$unfinished" ]; then
    exec "$sn37" upgrade switch "$unfinished"
fi

newest=$(printf '%s\n' "$status" | sed '/^newest switch: /d' | tail -n 1)
case $newest in
'' | *'  current')
    echo "no newer release is staged"
    exit 0
    ;;
esac
if printf '%s\n' "$status" | grep -qF " to $newest, returned"; then
    echo "release $newest was tried and returned from; switch to it by hand, or stage another"
    exit 0
fi
exec "$sn37" upgrade switch "$newest"
