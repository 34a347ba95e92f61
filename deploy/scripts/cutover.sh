#!/usr/bin/env bash
# Sends callers to the other colour, once it is seen to work.
#
#   cutover.sh --to blue|green [-n NAMESPACE] [-d SERVICE] [--url URL] [--preview-url URL] [--expect VERSION] [--dry-run]
#
# The colour must be rolled out and ready, answer behind the preview service, be the VERSION that is expected, and
# pass the smoke tests there ($API_TOKEN). Only then is the service turned, in one step that fails if anybody has
# changed it since this began. Afterwards its endpoints, /health and /version are asked; if they are not those of the
# new colour, callers are sent back. Then the pods of the old colour are replaced by others like them, which ends the
# streams that they still have. When that colour serves already, nothing is done.
#
#   -n, --namespace    production
#   -d, --deployment   the service, and what the deployments' names begin with: mcp-backend
#   --url              where callers come in, if not https://mcp-demo.example.com
#   --preview-url      where the preview service does
#   --expect           what /version must have as version
#   --dry-run          look at all, change nothing and store nothing
#
# Seconds: $ROLLOUT_SECONDS (300) until pods are ready, $VERIFY_SECONDS (60) until the change is seen.
# Exit codes: 0 the colour serves; 1 failed, the old colour serves; 2 wrong call; 3 refused, nothing was changed;
# 4 turned and turned back, the old colour serves; 5 it is not known who serves, and it says what to do.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

NAMESPACE=production SERVICE=mcp-backend TO='' URL=${SERVICE_URL:-} PREVIEW_URL=${PREVIEW_URL:-} EXPECTED=''
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        --to) need_value "$1" $# && TO=$2 && shift 2 ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        -d | --deployment) need_value "$1" $# && SERVICE=$2 && shift 2 ;;
        --url) need_value "$1" $# && URL=$2 && shift 2 ;;
        --preview-url) need_value "$1" $# && PREVIEW_URL=$2 && shift 2 ;;
        --expect) need_value "$1" $# && EXPECTED=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
FROM=$(other_colour "$TO") || misused "--to must be blue or green"
: "${URL:=$(url_of production)}" "${PREVIEW_URL:=$(url_of preview)}"
need_programs kubectl curl
choose_context "$NAMESPACE"

found=$(kube_read get service "$SERVICE" --output 'jsonpath={.metadata.resourceVersion} {.spec.selector.version}') ||
    fail "$FAILED" "$SERVICE cannot be read"
read -r version serving <<< "$found"

if [[ $serving == "$TO" ]]; then
    leads_to "$SERVICE" "$TO" || fail "$FAILED" "$SERVICE leads to $TO already, but no pods of it answer"
    turn_preview "$FROM" || say "WARNING: $SERVICE-preview does not lead to $FROM"
    say "$TO serves already"
    exit 0
fi
[[ $serving == "$FROM" ]] || fail "$REFUSED" "$SERVICE has no colour: it rolls, and nothing is to be cut over"

say "$FROM serves; looking at $TO"
rolled_out "$SERVICE-$TO" || fail "$REFUSED" "$SERVICE-$TO is not rolled out and ready; $FROM serves"
turn_preview "$TO" || fail "$FAILED" "$SERVICE-preview cannot be turned to $TO; $FROM serves"
if [[ $DRY_RUN == false ]]; then
    wait_until "$VERIFY_SECONDS" leads_to "$SERVICE-preview" "$TO" ||
        fail "$REFUSED" "no pods of $TO answer for $SERVICE-preview; $FROM serves"
    said=$(call "$PREVIEW_URL/version") || fail "$REFUSED" "$PREVIEW_URL/version does not answer; $FROM serves"
    [[ -z $EXPECTED || $said == *"\"version\":\"$EXPECTED\""* ]] ||
        fail "$REFUSED" "$TO is not version $EXPECTED but $said; $FROM serves"
    "$SCRIPTS/smoke-tests.sh" "$NAMESPACE" --url "$PREVIEW_URL" ||
        fail "$REFUSED" "$TO does not pass the smoke tests; $FROM serves"
fi
only_told "run the smoke tests at $PREVIEW_URL, and turn $SERVICE from $FROM to $TO" && exit 0

say "turning $SERVICE from $FROM to $TO"
turn "$FROM" "$TO" "$version" "$FROM"
wait_until "$VERIFY_SECONDS" answers_as "$URL" "$said" || fail "$FAILED" "$URL does not answer as $TO does: $said"
settle
end_streams "$SERVICE" "$FROM"
turn_preview "$FROM" || say "WARNING: $SERVICE-preview still leads to $TO; the next cutover puts it right"
say "$TO serves: $said. To go back: rollback.sh -n $NAMESPACE -d $SERVICE"
