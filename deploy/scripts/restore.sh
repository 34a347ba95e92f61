#!/usr/bin/env bash
# Brings a backup back, or (--check) only shows that it could be.
#
#   restore.sh -e ENVIRONMENT --check [--key NAME] [--bucket BUCKET] [-n NAMESPACE | --here] [--dry-run]
#   restore.sh -e ENVIRONMENT --confirm ENVIRONMENT [--key NAME] [--bucket BUCKET] [-n NAMESPACE | --here] [--dry-run]
#
# Either way the backup goes into a new database beside the one that serves; its checksum is compared, then the rows of
# every table are counted there, and some looked at, against what was noted when the dump was made. With --check the new
# database is dropped again, and $PUSHGATEWAY_URL told last_restore_verified_timestamp. With --confirm the database that
# serves is backed up first; then the two change names, both at once or neither. Calls fail for a moment meanwhile. What
# served before is kept, and the last line says under which name.
#
#   -e, --environment   whose
#   --check             drop it again
#   --confirm           the environment's name once more, so that it is meant
#   --key               backup-DATABASE-YYYYMMDD-HHMMSS.dump; the newest that is whole, if it is not said
#   --bucket            $BACKUP_BUCKET, or mcp-demo-backups
#   -n, --namespace     if it is not called like the environment
#   --here              this container is the toolbox; kubectl is not needed
#   --dry-run           look what would be restored
#
# BACKUP_ENABLED=false makes no backup first, for a database that cannot be read any more; it is kept all the same.
# The role of the toolbox must be allowed to create databases and to end sessions. $MAINTENANCE_DATABASE (postgres) is
# where it stands while names change.
# Exit codes: 0 done; 1 failed, what served serves; 2 wrong call; 3 refused; 5 somebody must look, and it says at what.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=storage.sh
source "$SCRIPTS/storage.sh"

NAMESPACE='' chosen='' CHECK=false CONFIRMED='' NAME=''
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        --check) CHECK=true && shift ;;
        --confirm) need_value "$1" $# && CONFIRMED=$2 && shift 2 ;;
        --key) need_value "$1" $# && NAME=${2##*/} && shift 2 ;;
        -e | --environment) need_value "$1" $# && chosen=$2 && shift 2 ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        --here) HERE=true && shift ;;
        --bucket) need_value "$1" $# && BUCKET=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
[[ -n $chosen ]] || misused "-e is needed"
[[ $CHECK == true || $DRY_RUN == true || $CONFIRMED == "$chosen" ]] ||
    fail "$REFUSED" "to replace the database of $chosen, say --confirm $chosen; to try a backup, --check"
choose_environment "$chosen"
readonly MAINTENANCE=${MAINTENANCE_DATABASE:-postgres}

FRESH='' CLOSED=''
clean_up() {
    local code=$?
    trap - EXIT
    rm -rf "$WORK"
    if [[ -n $CLOSED ]] && ! wait_until "$VERIFY_SECONDS" open_again "$CLOSED"; then
        say "$CLOSED TAKES NO CONNECTIONS. As its owner: ALTER DATABASE \"$CLOSED\" WITH ALLOW_CONNECTIONS true"
        code=$UNKNOWN
    fi
    if [[ -n $FRESH ]] && ! drop "$FRESH"; then
        say "left behind: the database $FRESH"
        ((code)) || code=$FAILED
    fi
    exit "$code"
}

open_again() { # DATABASE
    sql --dbname "$MAINTENANCE" --set "name=$1" <<< 'ALTER DATABASE :"name" WITH ALLOW_CONNECTIONS true;'
}

drop() { # DATABASE
    sql --set "name=$1" <<< 'DROP DATABASE IF EXISTS :"name" WITH (FORCE);'
}

# The newest whose name ends so that it sorts, and that has its checksum and contents beside it.
newest() {
    local keys each
    keys=$(s3 s3api list-objects-v2 --bucket "$BUCKET" --prefix "$ENVIRONMENT/backup-" \
        --query 'Contents[].Key' --output text | tr '\t' '\n') || return 1
    while read -r each; do
        if grep -qxF "$each.sha256" <<< "$keys" && grep -qxF "$each.contents" <<< "$keys"; then
            echo "${each##*/}"
            return 0
        fi
    done < <(grep '\.dump$' <<< "$keys" | sed -E 's/(.*-)([0-9]{8}-[0-9]{6}\.dump)$/\2 &/' | sort -r | cut -d ' ' -f 2-)
    return 1
}

[[ -n $NAME ]] || NAME=$(newest) ||
    fail "$FAILED" "there is no whole backup in s3://$BUCKET/$ENVIRONMENT/"
key=$ENVIRONMENT/$NAME
for part in sha256 contents; do
    copy "s3://$BUCKET/$key.$part" "$WORK/$part" > /dev/null ||
        fail "$REFUSED" "$NAME has no .$part beside it: it is not known to be whole"
done
expected=$(cut -d ' ' -f 1 "$WORK/sha256")
live=$(sql <<< 'SELECT current_database();') || fail "$FAILED" "the database cannot be asked $BY"
moment=$(date -u +%Y%m%d_%H%M%S)
fresh=restored_${moment}_$$
if only_told "restore $NAME into $fresh and compare it"; then
    [[ $CHECK == true ]] || say "would make it the database $live, and keep what served as before_$moment"
    exit 0
fi
if [[ $CHECK == false && ${BACKUP_ENABLED:-true} != false ]]; then
    "$SCRIPTS/backup.sh" -e "$ENVIRONMENT" "${PLACE[@]}" --bucket "$BUCKET" ||
        fail "$REFUSED" "what serves could not be backed up; it serves"
fi

say "restoring $NAME into $fresh"
trap clean_up EXIT
trap 'exit 130' INT TERM
FRESH=$fresh
sql --set "name=$fresh" <<< 'CREATE DATABASE :"name" TEMPLATE template0;' ||
    fail "$FAILED" "no database can be made beside $live, which serves"
summing
copy "s3://$BUCKET/$key" - | passed_on | into_toolbox pg_restore --exit-on-error --dbname "$fresh" >&2 ||
    fail "$FAILED" "$NAME cannot be restored; $live serves"
summed
[[ $SUM == "$expected" ]] || fail "$FAILED" "$NAME is not what was backed up: its checksum is $SUM; $live serves"
contents_of "$fresh" > "$WORK/found" || fail "$FAILED" "$fresh cannot be looked at; $live serves"
diff "$WORK/contents" "$WORK/found" >&2 || fail "$FAILED" "$fresh has not what was backed up; $live serves"
say "$(wc -l < "$WORK/found") tables are as they were backed up"

if [[ $CHECK == true ]]; then
    drop "$fresh" || fail "$FAILED" "$fresh cannot be dropped"
    FRESH=''
    publish last_restore_verified_timestamp "When a backup was last restored, and had all that was backed up."
    say "$NAME can be restored"
    exit 0
fi

before=before_$moment
say "$live becomes $before, and $fresh becomes $live"
CLOSED=$live
sql --dbname "$MAINTENANCE" --set "live=$live" --set "before=$before" --set "fresh=$fresh" > /dev/null <<'SQL' ||
ALTER DATABASE :"live" WITH ALLOW_CONNECTIONS false;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'live', :'fresh');
BEGIN;
ALTER DATABASE :"live" RENAME TO :"before";
ALTER DATABASE :"fresh" RENAME TO :"live";
COMMIT;
SQL
    say "the change of names was not confirmed"
names=$(sql --dbname "$MAINTENANCE" --set "before=$before" --set "fresh=$fresh" \
    <<< "SELECT datname FROM pg_database WHERE datname IN (:'before', :'fresh');") ||
    fail "$UNKNOWN" "look which databases there are: $live, $fresh or $before"
[[ $names == "$before" ]] || fail "$FAILED" "the names stayed as they were; $live serves"
FRESH='' CLOSED=$before
revision=$(sql --dbname "$live" <<< 'SELECT version_num FROM alembic_version;') ||
    fail "$UNKNOWN" "$live has been restored, and cannot be asked; what served before is $before"
say "$live is $NAME, at revision $revision"
open_again "$before" || fail "$UNKNOWN" "$before still takes no connections"
CLOSED=''
printf '%s\n' "$before"
