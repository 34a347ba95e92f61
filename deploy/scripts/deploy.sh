#!/usr/bin/env bash
# Brings an image into an environment, and waits until its pods are ready.
#
#   deploy.sh -n NAMESPACE --image IMAGE [--operator-image IMAGE] [-d SERVICE] [--dry-run]
#
# Where there are two colours, the one that does not serve is replaced, started if it was scaled to 0, and led to by the
# preview service; the one that serves is not touched. Elsewhere servers are replaced one after the other. Workers and
# the toolbox are replaced in both cases. What the overlay of the environment labels `mcp-rag/by: pipeline` is applied;
# accounts, rights, policies and ways in are not: who has the rights does that by hand. When pods do not become ready,
# what ran before is put back.
#
#   -n, --namespace    e.g. staging
#   -d, --deployment   the service, and what the deployments' names begin with: mcp-backend
#   --image            by its tag or, better, its digest
#   --operator-image   of what makes backups and tries them; without it that stays. It is changed first, and not put
#                      back: it is of the version to which the database was migrated
#   --dry-run          look, and change nothing
#
# Prints `colour=` (blue, green or nothing) and `changed=` (whether other pods run than before), one a line.
# Exit codes: 0 the image runs; 1 failed; 2 wrong call; 3 refused, nothing was changed; 4 failed, and what ran before
# runs; 5 it could not be put back: pods that were ready serve.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

NAMESPACE='' SERVICE=mcp-backend IMAGE='' OPERATOR=''
readonly WORKER=mcp-worker OVERLAYS=$SCRIPTS/../kubernetes/overlays
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        -d | --deployment) need_value "$1" $# && SERVICE=$2 && shift 2 ;;
        --image) need_value "$1" $# && IMAGE=$2 && shift 2 ;;
        --operator-image) need_value "$1" $# && OPERATOR=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
[[ -n $NAMESPACE && -n $IMAGE ]] || misused "-n and --image are needed"
for each in "$IMAGE" ${OPERATOR:+"$OPERATOR"}; do
    [[ $each =~ ^[A-Za-z0-9./_-]+(:[0-9]+/[A-Za-z0-9./_-]+)?(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?$ ]] ||
        misused "$each is no image"
done
need_programs kubectl
choose_context "$NAMESPACE"

rendered() { # the overlay, with the image; the operator's is another
    kubectl kustomize "$OVERLAYS/$NAMESPACE" | sed "/-operator[:@]/! s|^\( *image: \).*|\1$IMAGE|"
}

renew_backups() { # where there are some
    local jobs images path='{.items[*].spec.jobTemplate.spec.template.spec.containers[*].image}'
    jobs=$(kube get cronjobs --selector app=mcp-backups --output name) || return 1
    [[ -n $jobs ]] || return 0
    say "giving the backups $OPERATOR"
    # shellcheck disable=SC2086 # a word each
    kube set image $jobs "*=$OPERATOR" >&2 || return 1
    images=$(kube get cronjobs --selector app=mcp-backups --output "jsonpath=$path") || return 1
    [[ $(tr ' ' '\n' <<< "$images" | sort -u) == "$OPERATOR" ]]
}

replicas() { # DEPLOYMENT
    field deployment "$1" .spec.replicas
}

start_if_none() { # DEPLOYMENT: which may have been scaled to 0 when the other colour took over
    local found
    found=$(replicas "$1") || return 1
    ((found == 0)) || return 0
    found=$(replicas "$SERVICE-$SERVING") || return 1
    say "starting $found pods of $1"
    kube scale deployment "$1" --replicas "$found" >&2
}

put_back() { # DEPLOYMENT REVISION-BEFORE
    local now
    now=$(revision_of "$1") || return 1
    [[ $now != "$2" ]] || return 0
    say "putting back what $1 ran"
    kube rollout undo "deployment/$1" >&2 || return 1
    record_rollback "$1" || say "WARNING: it is not on record that $1 was put back: do not call rollback.sh now"
}

put_all_back() { # WORDS...
    say "$*"
    if ! put_back "$TARGET" "$BEFORE" || ! put_back "$WORKER" "$WORKER_BEFORE"; then
        fail "$UNKNOWN" "what ran before could not be put back; pods that were ready serve"
    fi
    fail "$REVERTED" "$*; what ran before runs"
}

SERVING=$(field service "$SERVICE" .spec.selector.version) || fail "$REFUSED" "the service $SERVICE cannot be read"
IDLE='' TARGET=$SERVICE CHOSEN=mcp-rag/by=pipeline
if [[ -n $SERVING ]]; then
    IDLE=$(other_colour "$SERVING") || fail "$REFUSED" "$SERVICE leads to $SERVING, which is no colour"
    TARGET=$SERVICE-$IDLE CHOSEN+=",version!=$SERVING"
fi
BEFORE=$(revision_of "$TARGET") || fail "$REFUSED" "$TARGET cannot be read"
WORKER_BEFORE=$(revision_of "$WORKER") || fail "$REFUSED" "$WORKER cannot be read"
MANIFESTS=$(rendered) || fail "$REFUSED" "there is no overlay $NAMESPACE"
only_told "give $TARGET and $WORKER $IMAGE${OPERATOR:+, the backups $OPERATOR}${SERVING:+; $SERVING serves, and is left alone}" &&
    exit 0

[[ -z $OPERATOR ]] || renew_backups || fail "$FAILED" "not all backups have $OPERATOR; servers and workers are as they were"
if [[ -n $IDLE ]]; then
    turn_preview "$IDLE" || fail "$REFUSED" "$SERVICE-preview cannot be turned to $IDLE"
fi
say "giving $TARGET $IMAGE${SERVING:+; $SERVING serves}"
kube apply --selector "$CHOSEN" --filename - <<< "$MANIFESTS" >&2 || put_all_back "not all could be applied"
if [[ -n $IDLE ]]; then
    start_if_none "$TARGET" || put_all_back "$TARGET has no pods, and cannot be given some"
fi
rolled_out "$TARGET" || put_all_back "$TARGET does not become ready with $IMAGE"
rolled_out "$WORKER" || put_all_back "$WORKER does not become ready with $IMAGE"
now=$(revision_of "$TARGET") || fail "$FAILED" "$TARGET cannot be read"
say "$TARGET runs $IMAGE"
echo "colour=$IDLE"
if [[ $now == "$BEFORE" ]]; then echo changed=false; else echo changed=true; fi
