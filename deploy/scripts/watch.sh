#!/usr/bin/env bash
# Watches a version that has begun to serve, and ends as soon as an alert says to go back.
#
#   watch.sh -n NAMESPACE [--minutes N] [--prometheus URL] [--dry-run]
#
# Prometheus is asked again and again for alerts that fire and whose `action` is rollback, consider-rollback or
# scale-or-rollback (deploy/monitoring/rules.yml; the decision matrix): right after a cutover, to go back is the answer
# to each of them. And each time it must be seen that the rules are evaluated and that servers are measured: silence of
# who sees nothing is no good news. It changes nothing; `rollback.sh` goes back.
#
#   -n, --namespace   alerts about another namespace are not for us
#   --minutes         how long: $WATCH_MINUTES, or 30; with 0 it asks once, as before a cutover
#   --prometheus      $PROMETHEUS_URL; $PROMETHEUS_TOKEN is sent where it is set
#   --dry-run         say what would be asked
#
# Seconds: $PAUSE_SECONDS (15) from one question to the next, $VERIFY_SECONDS (60) that Prometheus may be silent.
# Exit codes: 0 no such alert fired; 1 Prometheus cannot be asked, or sees nothing; 2 wrong call; 3 an alert fires, and
# it says which.
PAUSE_SECONDS=${PAUSE_SECONDS:-15}
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

NAMESPACE='' MINUTES=${WATCH_MINUTES:-30} PROMETHEUS=${PROMETHEUS_URL:-}
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        --minutes) need_value "$1" $# && MINUTES=$2 && shift 2 ;;
        --prometheus) need_value "$1" $# && PROMETHEUS=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
[[ $NAMESPACE =~ ^[a-z0-9-]+$ ]] || misused "which namespace?"
[[ $MINUTES =~ ^[0-9]+$ ]] || misused "--minutes is a number"
[[ -n $PROMETHEUS ]] || misused "where is Prometheus? --prometheus or \$PROMETHEUS_URL"
need_programs curl

FIRING='ALERTS{alertstate="firing",action=~"rollback|consider-rollback|scale-or-rollback"'
FIRING+=",namespace=~\"|$NAMESPACE\"}"
readonly FIRING SEEN='mcp_rag:errors:ratio_rate5m and on() (sum(up{job="mcp-rag"}) > 0)'
only_told "ask $PROMETHEUS for $MINUTES minutes: $FIRING" && exit 0

# The token is not among the arguments, which others on this machine can read.
query() { # QUERY
    local address=$PROMETHEUS/api/v1/query
    if [[ -n ${PROMETHEUS_TOKEN:-} ]]; then
        call "$address" --get --data-urlencode "query=$1" \
            --header @<(printf 'Authorization: Bearer %s\n' "$PROMETHEUS_TOKEN")
    else
        call "$address" --get --data-urlencode "query=$1"
    fi
}

series() { # QUERY: the labels of all that it gives
    local said
    said=$(query "$1") || return 1
    [[ $said == '{"status":"success"'* ]] || return 1
    [[ $said == *'"result":[]'* ]] || grep -o '"metric":{[^}]*}' <<< "$said"
}

look() { # what fires is in FOUND; fails if that cannot be known
    local seen
    seen=$(series "$SEEN") || return 1
    [[ -n $seen ]] || return 1
    FOUND=$(series "$FIRING")
}

names() { sed -n 's/.*"alertname":"\([^"]*\)".*/\1/p' <<< "$FOUND" | sort -u | paste -sd ' '; }

readonly UNTIL=$((SECONDS + MINUTES * 60))
FOUND=
say "watching $NAMESPACE for $MINUTES minutes"
while true; do
    wait_until "$VERIFY_SECONDS" look ||
        fail "$FAILED" "$PROMETHEUS does not answer, evaluates no rules or measures no server: nothing is known"
    [[ -z $FOUND ]] || fail "$REFUSED" "$(names) fires"
    ((SECONDS < UNTIL)) || break
    sleep "$PAUSE_SECONDS"
done
say "nothing fires that says to go back"
