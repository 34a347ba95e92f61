#!/usr/bin/env bash
# Brings an environment's database to the schema of a new version, before that version serves.
#
#   run-migrations.sh [-n NAMESPACE] [-d DEPLOYMENT] [--image IMAGE] [--no-backup] [--dry-run]
#
# The toolbox is given the new image, and says which revision that needs. Where the database has it, all is done.
# Otherwise a backup is made; then a job runs `mcp-rag migrate` from the new image, and is waited for; then
# `python -m alembic current` in the toolbox must name that revision. Servers of the version before go on, unless the
# new revision takes away what they use, and says so: then they are not ready.
#
#   -n, --namespace    $NAMESPACE; that of kubectl's current context, if neither is said
#   -d, --deployment   $DEPLOYMENT_NAME, the toolbox: mcp-backend in production, mcp-toolbox elsewhere
#   --image            $IMAGE; the one that deploy/kubernetes/overlays/NAMESPACE names, if neither is said
#   --no-backup        or BACKUP_ENABLED=false
#   --dry-run          look what would be done
#
# $MIGRATION_SECONDS (3600) until the job must have ended. What backup.sh reads is read from the environment too.
# Exit codes: 0 the database has the revision; 1 failed: the database is at the last revision that was finished, and the
# log of the job is shown; 2 wrong call; 3 refused, the database was not changed.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

TOOLBOX=${DEPLOYMENT_NAME:-} IMAGE=${IMAGE:-} BACKUP=${BACKUP_ENABLED:-true}
readonly JOB=mcp-migrate MANIFESTS=$SCRIPTS/../kubernetes
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        --no-backup) BACKUP=false && shift ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        -d | --deployment) need_value "$1" $# && TOOLBOX=$2 && shift 2 ;;
        --image) need_value "$1" $# && IMAGE=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
[[ $BACKUP == true || $BACKUP == false ]] || misused "BACKUP_ENABLED is true or false"
need_programs kubectl
[[ -n $NAMESPACE ]] || NAMESPACE=$(kubectl config view --minify --output 'jsonpath={..namespace}')
[[ -n $NAMESPACE ]] || misused "the current context has no namespace: say which"
choose_context "$NAMESPACE"
: "${TOOLBOX:=$(toolbox_of "$NAMESPACE")}"

alembic() { kube exec "deployment/$TOOLBOX" --container mcp-backend -- python -m alembic "$@"; }

at_head() { # the database has the revision that the toolbox's image needs
    local found
    found=$(alembic current) || return 1
    [[ $found == "$HEAD (head)" ]]
}

image_of_overlay() { # that of the product; the operator's runs no migration
    kubectl kustomize "$MANIFESTS/overlays/$NAMESPACE" | sed -n 's/^ *image: *//p' | sed '/-operator[:@]/d' | sort -u
}

# complete, failed, or nothing while it runs
job_state() {
    local path='jsonpath={range .status.conditions[?(@.status=="True")]}{.type}{"\n"}{end}' found
    found=$(kube_read get job "$JOB" --output "$path") || return 1
    if grep -qx Complete <<< "$found"; then echo complete; elif grep -qx Failed <<< "$found"; then echo failed; fi
}

ended() {
    STATE=$(job_state) && [[ -n $STATE ]]
}

remove_old_job() {
    local found
    found=$(kube_read get job "$JOB" --ignore-not-found --output name) || fail "$REFUSED" "jobs cannot be read"
    [[ -n $found ]] || return 0
    found=$(job_state) || fail "$REFUSED" "$JOB cannot be read"
    [[ -n $found ]] || fail "$REFUSED" "a migration is running: kubectl -n $NAMESPACE logs job/$JOB -f"
    kube delete job "$JOB" >&2 || fail "$REFUSED" "the job of the last migration cannot be removed"
}

if [[ -z $IMAGE ]]; then
    IMAGE=$(image_of_overlay) || fail "$REFUSED" "there is no overlay $NAMESPACE: say --image"
    [[ -n $IMAGE && $IMAGE != *$'\n'* ]] || fail "$REFUSED" "the overlay $NAMESPACE names no one image: say --image"
fi
label=$(field deployment "$TOOLBOX" '.spec.template.metadata.labels.app') ||
    fail "$REFUSED" "deployment/$TOOLBOX cannot be read"
[[ $label == mcp-toolbox ]] ||
    fail "$REFUSED" "deployment/$TOOLBOX serves: the toolbox of $NAMESPACE is $(toolbox_of "$NAMESPACE")"
present=$(field deployment "$TOOLBOX" '.spec.template.spec.containers[0].image') ||
    fail "$REFUSED" "deployment/$TOOLBOX cannot be read"

if [[ $present != "$IMAGE" ]] && ! only_told "give the toolbox $IMAGE, and migrate to what it needs"; then
    say "giving the toolbox $IMAGE"
    kube set image "deployment/$TOOLBOX" "mcp-backend=$IMAGE" >&2 || fail "$REFUSED" "the toolbox keeps $present"
fi
[[ $DRY_RUN == false || $present == "$IMAGE" ]] || exit 0
rolled_out "$TOOLBOX" || fail "$REFUSED" "the toolbox does not become ready with $IMAGE"
HEAD=$(alembic heads) || fail "$REFUSED" "the toolbox cannot say which revision $IMAGE needs"
HEAD=${HEAD%% *}
current=$(alembic current) || fail "$REFUSED" "the toolbox cannot say which revision the database has"
if [[ $current == "$HEAD (head)" ]]; then
    say "the database is at $HEAD already"
    exit 0
fi
only_told "migrate from ${current:-nothing} to $HEAD with $IMAGE; backup: $BACKUP" && exit 0

remove_old_job
if [[ $BACKUP == true ]]; then
    "$SCRIPTS/backup.sh" -e "$NAMESPACE" >&2 || fail "$REFUSED" "there is no backup, so nothing is migrated"
fi
say "migrating from ${current:-nothing} to $HEAD"
kubectl kustomize "$MANIFESTS/jobs" |
    kubectl set image --local --filename - "$JOB=$IMAGE" --output yaml |
    kube create --filename - >&2 || fail "$REFUSED" "the job cannot be made, so nothing is migrated"
STATE=
wait_until "${MIGRATION_SECONDS:-3600}" ended ||
    fail "$FAILED" "the migration has not ended; it goes on: kubectl -n $NAMESPACE logs job/$JOB -f"
if [[ $STATE != complete ]]; then
    kube logs "job/$JOB" --tail 100 >&2 || true
    fail "$FAILED" "the migration failed; the database is at $(alembic current || echo 'a revision that cannot be read')"
fi
wait_until "$VERIFY_SECONDS" at_head || fail "$FAILED" "the job has ended well, and the database is not at $HEAD"
say "the database is at $HEAD"
