#!/usr/bin/env bash
# Tells all workers that a version is deployed, and says how many of them know: from a shell script,
# by the sidecar. Run it: examples/sidecar_shell/deploy.sh [VERSION]
#
# Needs bash and the command `chatter`, nothing else. Exit status: 0 if everybody answered.
set -euo pipefail

if [[ -z $(type -P chatter) ]]; then
    echo "the command chatter is not on the PATH: pip install chatter" >&2
    exit 1
fi
version=${1:-1.4.2}
# In earnest the key is that of the cluster, and the address that of this host.
export CHATTER_KEY=${CHATTER_KEY:-$(chatter keygen)}
export CHATTER_ADDRESS=${CHATTER_ADDRESS:-127.0.0.1}

# A stand-in for a worker, so that somebody is there: prints the first message about a deploy.
exec {worker}< <(exec chatter listen deploy --count 1 2>&1)
read -r -u "$worker" line
echo "a worker is $line"

# The sidecar: events come from its standard output, requests go to its standard input, one JSON
# object a line. Its log stays on stderr; here only what is wrong shall be seen.
coproc sidecar { exec chatter node --json 2> >(grep -v ' INFO ' >&2); }
events=${sidecar[0]} requests=${sidecar[1]} sidecar=$sidecar_PID

# Waits for the next event that matches a pattern, in $event.
await() {
    while read -r -t 30 -u "$events" event; do
        # shellcheck disable=SC2053  # it is meant as a pattern
        [[ $event == $1 ]] && return
        [[ $event == *'"event":"error"'* ]] && echo "$event" >&2 && return 1
    done
    echo "the sidecar said nothing of $1 within 30 seconds" >&2
    return 1
}

await '{"event":"ready",*'
await '{"event":"peer",*"state":"alive"*'

# `confirm` has everybody answer; `ref` comes back in what answers this request.
printf '{"broadcast":{"tag":"deploy","body":{"version":"%s"},"confirm":true,"timeout_s":5},"ref":"d"}\n' \
    "$version" >&"$requests"
await '{"event":"receipt",*"ref":"d"}'
echo "the receipt is $event"

read -r -u "$worker" line
echo "the worker heard $line"

printf '{"leave":true}\n' >&"$requests"
wait "$sidecar"
[[ $event == *'"missing":[]'* ]]
