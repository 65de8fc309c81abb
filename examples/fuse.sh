#!/bin/sh
# Fuse one pair, and a zip of pairs, with curl: fuse.sh IR VI FUSED [ZIP FUSED_ZIP]
# PIAFUSION_URL is the address of the server. PIAFUSION_TOKEN is its token, if it needs one.
set -eu
server=${PIAFUSION_URL:-http://127.0.0.1:8000}
authorization=${PIAFUSION_TOKEN:+Authorization: Bearer $PIAFUSION_TOKEN}

ask() { # PATH OUTPUT FORM...; the answer to a refused request tells the reason
    path=$1 output=$2
    shift 2
    curl --silent --show-error --fail-with-body --retry 3 ${authorization:+--header "$authorization"} \
        --dump-header - --output "$output" "$@" "$server$path" ||
        { cat "$output" >&2; rm -f "$output"; exit 1; }
}

ask /v1/fuse "$3" --form infrared=@"$1" --form visible=@"$2" --form metrics=MI,SD,VIF,Qabf |
    grep -i '^piafusion-'
if [ $# -gt 3 ]; then
    ask /v1/fuse/batch "$5" --form pairs=@"$4" --form format=jpeg > /dev/null
    echo "fused: $5"
fi
