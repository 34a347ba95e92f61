#!/usr/bin/env bash
# Uses the service as its callers do, and takes out again what it has put in.
#
#   smoke-tests.sh development|staging|production [--url URL] [--revision REVISION] [--dry-run]
#
# /health, /version, an ingest, a search that must find it, a question that must quote it, and over MCP a session and
# its tools. $API_TOKEN is sent where it is set; it needs the scopes read, write and erase.
#
#   --url       where it is, if not where the environment has it
#   --revision  what /version must have as revision: the commit that the image was built of
#   --dry-run   say what would be called
#
# Exit codes: 0 all is well; 1 something is not, and it says what; 2 wrong call.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

ENVIRONMENT='' URL=${SERVICE_URL:-} VERSION='"version":'
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        --url) need_value "$1" $# && URL=$2 && shift 2 ;;
        --revision) need_value "$1" $# && VERSION="\"revision\":\"$2\"" && shift 2 ;;
        -*) misused "what is $1?" ;;
        *) [[ -z $ENVIRONMENT ]] || misused "one environment" && ENVIRONMENT=$1 && shift ;;
    esac
done
[[ -n $ENVIRONMENT ]] || misused "which environment?"
environment_url=$(url_of "$ENVIRONMENT") || exit "$USAGE"
: "${URL:=$environment_url}"
need_programs curl
only_told "call $URL/health, /version, /ingest, /search, /ask, /mcp and /conversations" && exit 0

WORD=smoke$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
readonly WORD CONVERSATION="smoke-test/$WORD" SENTENCE="The smoke test left the word $WORD here."
STORED=false SESSION='' BAD=0

# The token is not among the arguments, which others on this machine can read.
authorized() { # URL [OPTIONS...]
    if [[ -n ${API_TOKEN:-} ]]; then
        call "$@" --header @<(printf 'Authorization: Bearer %s\n' "$API_TOKEN")
    else
        call "$@"
    fi
}

post() { # PATH JSON [OPTIONS...]
    local path=$1 body=$2
    shift 2
    authorized "$URL$path" --header 'Content-Type: application/json' \
        --header 'Accept: application/json, text/event-stream' --data "$body" "$@"
}

check() { # WHAT NEEDLE COMMAND...: what it says must have the needle
    local what=$1 needle=$2 said
    shift 2
    if said=$("$@" 2>&1) && [[ $said == *"$needle"* ]]; then
        say "ok      $what"
    else
        BAD=$((BAD + 1))
        say "NOT OK  $what: ${said:0:500}"
    fi
}

ask_mcp() { # ID METHOD PARAMETERS [OPTIONS...]
    local body="{\"jsonrpc\":\"2.0\",\"id\":$1,\"method\":\"$2\",\"params\":$3}"
    shift 3
    post /mcp "$body" "$@"
}

begin_session() {
    local client='{"name":"smoke-tests","version":"1"}' parameters said
    parameters="{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":$client}"
    said=$(ask_mcp 1 initialize "$parameters" --include) || {
        echo "$said"
        return 1
    }
    tr -d '\r' <<< "$said"
}

list_tools() {
    post /mcp '{"jsonrpc":"2.0","method":"notifications/initialized"}' --header "Mcp-Session-Id: $SESSION" &&
        ask_mcp 2 tools/list '{}' --header "Mcp-Session-Id: $SESSION"
}

clean_up() {
    local code=$?
    trap - EXIT
    if [[ -n $SESSION ]]; then
        authorized "$URL/mcp" --request DELETE --header "Mcp-Session-Id: $SESSION" > /dev/null 2>&1 ||
            say "the MCP session was not ended; it ends by itself"
    fi
    if [[ $STORED == true ]] &&
        ! authorized "$URL/conversations/${CONVERSATION/\//%2F}" --request DELETE > /dev/null; then
        say "NOT OK  the conversation $CONVERSATION is still stored: forget it"
        code=$FAILED
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

check health '"status":' call "$URL/health"
check version "$VERSION" call "$URL/version"
STORED=true
check ingest '"added":1' post /ingest "{\"conversation_id\":\"$CONVERSATION\",\"content\":\"$SENTENCE\"}"
[[ $BAD == 0 ]] || STORED=maybe
check search "$SENTENCE" post /search "{\"query\":\"$WORD\",\"limit\":5}"
check ask "$SENTENCE" post /ask "{\"question\":\"Where is $WORD?\",\"conversation_id\":\"$CONVERSATION\"}"
if session=$(begin_session); then
    SESSION=$(sed -n 's/^mcp-session-id: *//Ip' <<< "$session")
fi
check "MCP initialize" '"serverInfo"' echo "$session"
check "MCP tools/list" '"search"' list_tools
if [[ $STORED == maybe ]]; then
    authorized "$URL/conversations/${CONVERSATION/\//%2F}" --request DELETE > /dev/null 2>&1 && say "taken out again"
    STORED=false
fi
((BAD == 0)) || fail "$FAILED" "$BAD of 7 checks of $URL are not well"
say "all is well at $URL"
