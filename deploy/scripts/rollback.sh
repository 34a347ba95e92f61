#!/usr/bin/env bash
# Goes back to what ran before. Quick: what ran before is known to work, so no smoke tests are run.
#
#   rollback.sh -n NAMESPACE -d DEPLOYMENT [--to blue|green] [--scale] [--url URL] [--dry-run]
#
# Where there are two colours, callers are sent to the one that served before the last cutover (or to the other, where
# no cutover is on record), once it is seen to be ready; the streams of the other are ended, as cutover.sh does it. If it
# has no pods any more, it is refused; with --scale they are started first. Elsewhere the deployment's previous revision
# is rolled out; pods that serve stay until others do. Whoever calls it twice does not go forward again: what is rolled
# back already is left alone.
#
#   -n, --namespace    e.g. production
#   -d, --deployment   e.g. mcp-backend: the service's name too, where there are colours
#   --to               the colour, if it is to be another than said above
#   --scale            start the pods of a colour that was scaled to 0
#   --url              where callers come in, if not as the environment has it
#   --dry-run          look, and change nothing
#
# Exit codes: 0 what ran before serves; 1 failed: it says who serves; 2 wrong call; 3 refused, nothing was changed;
# 4 turned and turned back; 5 it is not known who serves, and it says what to do.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

NAMESPACE='' SERVICE='' TO='' SCALE=false URL=${SERVICE_URL:-}
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        --scale) SCALE=true && shift ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        -d | --deployment) need_value "$1" $# && SERVICE=$2 && shift 2 ;;
        --to) need_value "$1" $# && TO=$2 && shift 2 ;;
        --url) need_value "$1" $# && URL=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
[[ -n $NAMESPACE && -n $SERVICE ]] || misused "-n and -d are needed"
[[ -z $TO ]] || other_colour "$TO" > /dev/null || misused "--to must be blue or green"
need_programs kubectl curl
: "${URL:=$(url_of "$NAMESPACE")}"
choose_context "$NAMESPACE"

ask_callers() { # WHO-SERVES
    wait_until "$VERIFY_SECONDS" call "$URL/health" > /dev/null ||
        fail "$FAILED" "$1 serves as it was asked to, but $URL/health does not answer well"
    say "$1 serves: $(call "$URL/version")"
}

start_pods() { # COLOUR SERVING
    local replicas
    replicas=$(field deployment "$SERVICE-$2" .spec.replicas) || fail "$FAILED" "$SERVICE-$2 cannot be read"
    [[ $SCALE == true ]] || fail "$REFUSED" "$SERVICE-$1 is scaled to 0; --scale starts it. $2 serves"
    only_told "scale $SERVICE-$1 to $replicas" && return 0
    kube scale deployment "$SERVICE-$1" --replicas "$replicas" >&2 ||
        fail "$FAILED" "$SERVICE-$1 cannot be scaled; $2 serves"
}

colours() { # VERSION SERVING PREVIOUS
    local version=$1 serving=$2 to=${TO:-${3:-$(other_colour "$2")}} replicas
    if [[ $to == "$serving" ]]; then
        leads_to "$SERVICE" "$to" || fail "$FAILED" "$SERVICE leads to $to already, but no pods of it answer"
        say "$to serves already, which served before the last cutover; --to $(other_colour "$to") for the other"
        return 0
    fi
    replicas=$(field deployment "$SERVICE-$to" .spec.replicas) || fail "$FAILED" "$SERVICE-$to cannot be read"
    ((replicas > 0)) || start_pods "$to" "$serving"
    only_told "turn $SERVICE from $serving to $to" && return 0
    wait_until "$ROLLOUT_SECONDS" ready_alike "$SERVICE" "$to" || fail "$REFUSED" "$SERVICE-$to is not ready; $serving serves"
    say "turning $SERVICE from $serving to $to"
    turn "$serving" "$to" "$version" "$to"
    # Whatever is wrong now, it is not better where somebody found it broken.
    settle
    end_streams "$SERVICE" "$serving"
    turn_preview "$serving" || say "WARNING: $SERVICE-preview does not lead to $serving"
    ask_callers "$to"
}

image() { field deployment "$SERVICE" '.spec.template.spec.containers[0].image'; }

undo() { # sends the deployment's template back by one revision
    kube rollout undo "deployment/$SERVICE" >&2
}

revisions() {
    local undone now before
    now=$(revision_of "$SERVICE") || fail "$FAILED" "$SERVICE cannot be read"
    undone=$(field deployment "$SERVICE" ".metadata.annotations.${ROLLED_BACK//./\\.}") ||
        fail "$FAILED" "$SERVICE cannot be read"
    if [[ -n $undone && $undone == "$now" ]]; then
        say "$SERVICE is rolled back already, to revision $now"
        return 0
    fi
    before=$(image) || fail "$FAILED" "$SERVICE cannot be read"
    only_told "undo revision $now of $SERVICE, which runs $before" && return 0
    undo || unless_undone "$now" "$before"
    if ! rolled_out "$SERVICE"; then
        say "the previous revision does not become ready; going on with $before"
        undo || fail "$UNKNOWN" "$SERVICE can be rolled neither back nor forward; pods that were ready serve"
        fail "$REVERTED" "the previous revision of $SERVICE does not become ready; $before serves"
    fi
    record_rollback "$SERVICE" || say "WARNING: it is not on record that this was a rollback: do not call it twice"
    ask_callers "$(image)"
}

# Its answer may be lost, and it done all the same.
unless_undone() { # REVISION IMAGE
    local now
    now=$(revision_of "$SERVICE") ||
        fail "$UNKNOWN" "$SERVICE could be neither undone nor read; pods that were ready serve"
    [[ $now != "$1" ]] || fail "$FAILED" "$SERVICE cannot be undone; $2 serves"
}

found=$(kube_read get service "$SERVICE" --output \
    "jsonpath={.metadata.resourceVersion} {.spec.selector.version} {.metadata.annotations.${PREVIOUS//./\\.}}") ||
    fail "$FAILED" "the service $SERVICE cannot be read"
read -r version serving previous <<< "$found"
if [[ -n $serving ]]; then colours "$version" "$serving" "$previous"; else revisions; fi
