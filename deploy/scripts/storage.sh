# shellcheck shell=bash
# shellcheck disable=SC2034 # for the scripts
# Backups in S3, and the database behind the toolbox; read by the scripts after lib.sh, never run. Where HERE is true,
# the toolbox is the container that the script runs in.
#
# A backup is three objects: backup-DATABASE-YYYYMMDD-HHMMSS.dump, and beside it .sha256 and .contents (how many rows
# each table had, and a checksum of some). The dump comes last, so what has it is whole.

BUCKET=${BACKUP_BUCKET:-mcp-demo-backups}
ENVIRONMENT=
TOOLBOX=
HERE=false
PLACE=() # for a script that this one calls
BY=      # who asks the database, in words
WORK=

s3() { aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"; }

copy() { s3 s3 cp --only-show-errors "$@"; } # FROM TO, either of which may be -

size_of() { # KEY
    s3 s3api head-object --bucket "$BUCKET" --key "$1" --query ContentLength --output text
}

# The environment, its namespace, and who has the programs and the rights.
choose_environment() { # ENVIRONMENT
    ENVIRONMENT=$1
    url_of "$ENVIRONMENT" > /dev/null || exit "$USAGE"
    if [[ $HERE == true ]]; then
        [[ -z $NAMESPACE ]] || misused "--here is in no other namespace"
        need_programs aws psql pg_dump pg_restore
        PLACE=(--here) BY="from here"
    else
        need_programs kubectl aws curl
        : "${NAMESPACE:=$ENVIRONMENT}"
        TOOLBOX=$(toolbox_of "$ENVIRONMENT")
        PLACE=(-n "$NAMESPACE") BY="by deployment/$TOOLBOX"
        choose_context "$ENVIRONMENT"
    fi
    WORK=$(mktemp -d)
}

in_toolbox() {
    if [[ $HERE == true ]]; then "$@" < /dev/null; else in_pod -- "$@"; fi
}

into_toolbox() {
    if [[ $HERE == true ]]; then "$@"; else in_pod --stdin -- "$@"; fi
}

in_pod() { kube exec "deployment/$TOOLBOX" --container mcp-backend "$@"; } # [--stdin] -- COMMAND...

sql() { # [OPTIONS OF PSQL...]; the statements come on stdin
    into_toolbox psql --no-psqlrc --quiet --tuples-only --no-align --field-separator=' ' --set ON_ERROR_STOP=1 "$@"
}

contents_of() { # DATABASE
    sql --dbname "$1" < "$SCRIPTS/database/contents.sql"
}

# A stream, whose checksum and size are in WORK once `summed` has returned.
summing() {
    rm -f "$WORK"/{sum,size}{,.pipe}
    mkfifo "$WORK/sum.pipe" "$WORK/size.pipe"
    sha256sum < "$WORK/sum.pipe" > "$WORK/sum" &
    SUMMING=$!
    wc -c < "$WORK/size.pipe" > "$WORK/size" &
    SIZING=$!
}

passed_on() { tee "$WORK/sum.pipe" "$WORK/size.pipe"; }

summed() {
    wait "$SUMMING" "$SIZING"
    SUM=$(cut -d ' ' -f 1 "$WORK/sum")
    SIZE=$(tr -d ' ' < "$WORK/size")
}

# Prometheus asks the Pushgateway: a script has gone by the time it would be asked. That nothing was heard for too long
# is what an alert is for, so a backup does not fail by it.
publish() { # METRIC HELP: its value is now
    if [[ -z ${PUSHGATEWAY_URL:-} ]]; then
        say "$1 is not published: PUSHGATEWAY_URL is not set"
    elif printf '# HELP %s %s\n# TYPE %s gauge\n%s %s\n' "$1" "$2" "$1" "$1" "$(date +%s)" |
        push "$PUSHGATEWAY_URL/metrics/job/mcp-rag-backups/environment/$ENVIRONMENT"; then
        say "published $1"
    else
        say "WARNING: $1 could not be published"
    fi
}

# What comes on stdin. In the image there is Python, and no curl.
push() { # URL
    if command -v curl > /dev/null; then
        call "$1" --data-binary @- > /dev/null
    else
        python3 -c 'import sys; from urllib import request as r; r.urlopen(sys.argv[1], sys.stdin.buffer.read(), 30)' "$1"
    fi
}
