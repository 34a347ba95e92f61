# shellcheck shell=bash
# What the scripts share; read by them, never run. The words of each script's --help are its first comment.
set -Eeuo pipefail
shopt -s inherit_errexit

# How a script ends. 0: done, or there was nothing to do.
readonly FAILED=1   # it failed; who served serves, and nothing half made is left that looks whole
readonly USAGE=2    # it was not called as it must be
readonly REFUSED=3  # it would not be safe; nothing was changed
readonly REVERTED=4 # it failed after a change, and has taken the change back
readonly UNKNOWN=5  # somebody must look: what it says at the end tells where
# shellcheck disable=SC2034 # for the scripts
readonly EXIT_CODES="$FAILED $USAGE $REFUSED $REVERTED $UNKNOWN"

SCRIPTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for the scripts
readonly SCRIPTS
PAUSE_SECONDS=${PAUSE_SECONDS:-2}     # before something is looked at, or tried, again
ROLLOUT_SECONDS=${ROLLOUT_SECONDS:-300} # until pods must be ready
VERIFY_SECONDS=${VERIFY_SECONDS:-60}  # until what was changed must be seen
DRY_RUN=false
CONTEXT=
NAMESPACE=${NAMESPACE:-}

say() { printf '%(%H:%M:%S)T %s\n' -1 "$*" >&2; }

fail() { # CODE WORDS...
    local code=$1
    shift
    say "FAILED: $*"
    exit "$code"
}

# The first comment of the script.
show_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

misused() {
    show_help >&2
    fail "$USAGE" "$*"
}

need_value() { # OPTION COUNT: an option whose value is not there
    (($2 >= 2)) || misused "$1 needs a value"
}

need_programs() {
    local program
    for program in "$@"; do
        command -v "$program" > /dev/null || fail "$USAGE" "$program is not on the PATH"
    done
}

# Whether this is only to be told; says what would be done.
only_told() { # WORDS...
    [[ $DRY_RUN == true ]] || return 1
    say "would $*"
}

# Kubernetes ----------------------------------------------------------------------------------------------------------

# The context that is called like the environment, where there is one: production is not reached by way of another.
choose_context() { # ENVIRONMENT
    local contexts
    contexts=$(kubectl config get-contexts --output name) || fail "$FAILED" "kubectl has no configuration"
    if grep -qxF -- "$1" <<< "$contexts"; then
        CONTEXT=$1
    else
        CONTEXT=$(kubectl config current-context) || fail "$FAILED" "kubectl has no context"
    fi
}

kube() { kubectl --context "$CONTEXT" --namespace "$NAMESPACE" "$@"; }

# What only reads may be tried again.
kube_read() {
    local try
    for try in 1 2 3; do
        if kube "$@"; then return 0; fi
        ((try == 3)) || sleep "$PAUSE_SECONDS"
    done
    return 1
}

field() { # KIND NAME JSONPATH
    kube_read get "$1" "$2" --output "jsonpath={$3}"
}

# Until a command succeeds.
wait_until() { # SECONDS COMMAND...
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < until)) || return 1
        sleep "$PAUSE_SECONDS"
    done
}

# Which environment's toolbox has the programs of Postgres and the rights of who owns the schema.
toolbox_of() { # ENVIRONMENT
    case $1 in
        production) echo mcp-backend ;;
        *) echo mcp-toolbox ;;
    esac
}

# All that was asked for is there and ready; the watch of `rollout status` may have been cut, so it is looked at again.
rolled_out() { # DEPLOYMENT
    local path='.status.observedGeneration}/{.metadata.generation}/{.spec.replicas}'
    path+='/{.status.updatedReplicas}/{.status.availableReplicas}/{.status.replicas'
    kube rollout status "deployment/$1" --timeout "${ROLLOUT_SECONDS}s" >&2 ||
        say "rollout status of $1 gave up; looking at it once more"
    local found observed generation wanted updated available all
    found=$(field deployment "$1" "$path") || return 1
    IFS=/ read -r observed generation wanted updated available all <<< "$found"
    [[ $observed == "$generation" && $wanted -gt 0 ]] &&
        [[ $updated == "$wanted" && $available == "$wanted" && $all == "$wanted" ]]
}

# As many pods of the colour as are wanted are ready, and those that are have one image: also while they are replaced.
ready_alike() { # SERVICE COLOUR
    local wanted ready path='{range .items[*]}{.status.containerStatuses[0].ready} {.spec.containers[0].image}{"\n"}{end}'
    wanted=$(field deployment "$1-$2" .spec.replicas) || return 1
    ready=$(kube_read get pods --selector "app=$1,version=$2" --output "jsonpath=$path" | sed -n 's/^true //p') || return 1
    [[ $wanted -gt 0 && $(wc -l <<< "$ready") -ge $wanted && $(sort -u <<< "$ready" | wc -l) == 1 && -n $ready ]]
}

# Streams last, and calls of a session come to who does not know it. New pods take the place of the old, whose streams
# end in order: clients connect again, and come to who serves. As many stay ready meanwhile, for a way back.
end_streams() { # SERVICE COLOUR
    kube rollout restart "deployment/$1-$2" >&2 ||
        say "WARNING: streams that $2 has stay there: kubectl -n $NAMESPACE rollout restart deployment/$1-$2"
}

readonly ROLLED_BACK=mcp-rag/rolled-back # on a deployment: the revision that a rollback has made

revision_of() { # DEPLOYMENT
    field deployment "$1" ".metadata.annotations.deployment\.kubernetes\.io/revision"
}

# Or the next rollback would take what was left for what ran before.
record_rollback() { # DEPLOYMENT
    local now
    now=$(revision_of "$1") || return 1
    kube annotate deployment "$1" "$ROLLED_BACK=$now" --overwrite >&2
}

# Colours -------------------------------------------------------------------------------------------------------------

readonly PREVIOUS=mcp-rag/previous # on the service: who served before the last cutover

other_colour() {
    case $1 in
        blue) echo green ;;
        green) echo blue ;;
        *) return 1 ;;
    esac
}

# Pods of this colour answer for the service, and no others.
leads_to() { # SERVICE COLOUR
    local answering ours
    answering=$(kube_read get endpoints "$1" \
        --output 'jsonpath={range .subsets[*].addresses[*]}{.targetRef.name}{"\n"}{end}') || return 1
    ours=$(kube_read get pods --selector "app=$SERVICE,version=$2" \
        --output 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}') || return 1
    [[ -n $answering && -n $ours ]] && ! grep -qvxF -- "$ours" <<< "$answering"
}

# Only if nobody has changed the service since VERSION was read: two operators do not cross.
turn_service() { # SERVICE FROM TO VERSION [PREVIOUS-COLOUR]
    local steps annotations
    steps="{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"$4\"}"
    steps+=",{\"op\":\"test\",\"path\":\"/spec/selector/version\",\"value\":\"$2\"}"
    steps+=",{\"op\":\"replace\",\"path\":\"/spec/selector/version\",\"value\":\"$3\"}"
    if [[ -n ${5:-} ]]; then
        annotations=$(field service "$1" .metadata.annotations) || return 1
        [[ -n $annotations ]] || steps+=',{"op":"add","path":"/metadata/annotations","value":{}}'
        steps+=",{\"op\":\"add\",\"path\":\"/metadata/annotations/${PREVIOUS/\//~1}\",\"value\":\"$5\"}"
    fi
    kube patch service "$1" --type json --patch "[$steps]" >&2
}

# The other service leads to the colour that does not serve.
turn_preview() { # COLOUR
    local version colour
    colour=$(field service "$SERVICE-preview" .spec.selector.version) || return 1
    [[ $colour != "$1" ]] || return 0
    only_told "turn $SERVICE-preview from $colour to $1" && return 0
    version=$(field service "$SERVICE-preview" .metadata.resourceVersion) || return 1
    turn_service "$SERVICE-preview" "$colour" "$1" "$version"
}

# From here until `settle`, whatever ends the script sends callers back to who served before.
TURNED_FROM=
TURNED_TO=

turn_back_unless_settled() {
    local code=$?
    trap - EXIT
    [[ -n $TURNED_FROM ]] || exit "$code"
    say "sending callers back to $TURNED_FROM"
    if wait_until "$VERIFY_SECONDS" turn_back; then
        say "$TURNED_FROM serves, as before"
        exit "$REVERTED"
    fi
    say "WHO SERVES IS NOT KNOWN. Look, and if it is not $TURNED_FROM:"
    say "  kubectl -n $NAMESPACE patch service $SERVICE -p '{\"spec\":{\"selector\":{\"version\":\"$TURNED_FROM\"}}}'"
    exit "$UNKNOWN"
}

turn_back() {
    local found version colour
    found=$(kube get service "$SERVICE" \
        --output 'jsonpath={.metadata.resourceVersion} {.spec.selector.version}') || return 1
    read -r version colour <<< "$found"
    if [[ $colour == "$TURNED_TO" ]]; then
        turn_service "$SERVICE" "$TURNED_TO" "$TURNED_FROM" "$version" || return 1
    fi
    leads_to "$SERVICE" "$TURNED_FROM"
}

# Callers go to the other colour. Afterwards somebody must `settle`, or it is taken back.
turn() { # FROM TO VERSION WHO-WAS-BEFORE
    local now
    TURNED_FROM=$1 TURNED_TO=$2
    trap turn_back_unless_settled EXIT
    trap 'exit 130' INT TERM
    if ! turn_service "$SERVICE" "$1" "$2" "$3" "$4"; then
        # It may have been done all the same, and only the answer be lost.
        now=$(field service "$SERVICE" .spec.selector.version) ||
            fail "$FAILED" "the service could be neither turned nor read"
        if [[ $now != "$2" ]]; then
            settle
            fail "$FAILED" "$SERVICE was not turned, perhaps because somebody else has changed it: $now serves"
        fi
    fi
    now=$(field service "$SERVICE" .spec.selector.version) || fail "$FAILED" "$SERVICE cannot be read"
    [[ $now == "$2" ]] || fail "$FAILED" "$SERVICE leads to $now"
    wait_until "$VERIFY_SECONDS" leads_to "$SERVICE" "$2" || fail "$FAILED" "no pods of $2 answer for $SERVICE"
}

settle() {
    TURNED_FROM='' TURNED_TO=''
}

# Calls ---------------------------------------------------------------------------------------------------------------

# Nothing is told to the terminal but what was answered; a token never is.
call() { # URL [OPTIONS OF CURL...]
    local url=$1
    shift
    curl --silent --show-error --fail-with-body --max-time "${CALL_SECONDS:-30}" "$@" "$url"
}

url_of() { # ENVIRONMENT
    case $1 in
        production) echo https://mcp-demo.example.com ;;
        staging) echo https://staging.mcp-demo.example.com ;;
        development) echo https://dev.mcp-demo.example.com ;;
        preview) echo https://preview.mcp-demo.example.com ;;
        *) misused "there is no environment $1: development, staging or production" ;;
    esac
}

# Several times one after the other, as not every call reaches the same process.
answers_as() { # URL WHAT-/version-SAYS
    local turn said
    for turn in 1 2 3; do
        call "$1/health" > /dev/null || return 1
        said=$(call "$1/version") || return 1
        [[ $said == "$2" ]] || {
            say "call $turn was answered by $said"
            return 1
        }
    done
}
