#!/usr/bin/env bash
# Makes a backup of an environment's database in S3, and reads it back before it counts.
#
#   backup.sh -e development|staging|production [--bucket BUCKET] [-n NAMESPACE | --here] [--dry-run]
#
# The dump (pg_dump, custom format) comes from the toolbox and goes to S3 as it comes; nothing is kept here. What lies
# there is then read from its first to its last byte by pg_restore, its size and checksum compared, and each table looked
# for. Only then is it given its name: s3://BUCKET/ENVIRONMENT/backup-DATABASE-YYYYMMDD-HHMMSS.dump, which is printed
# and nothing else. Beside it are its .sha256 and its .contents. How long it is kept is the bucket's matter.
#
#   -e, --environment   whose
#   --bucket            $BACKUP_BUCKET, or mcp-demo-backups
#   -n, --namespace     if it is not called like the environment
#   --here              this container is the toolbox; kubectl is not needed
#   --dry-run           look whether it could be done
#
# The role of the toolbox must see all rows: superuser, or BYPASSRLS. $PUSHGATEWAY_URL is told
# last_backup_timestamp. $AWS_ENDPOINT_URL is for other S3 than Amazon's.
# Exit codes: 0 there is a backup, whole; 1 there is none; 2 wrong call.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=storage.sh
source "$SCRIPTS/storage.sh"

NAMESPACE='' chosen=''
while (($#)); do
    case $1 in
        -h | --help) show_help && exit 0 ;;
        --dry-run) DRY_RUN=true && shift ;;
        -e | --environment) need_value "$1" $# && chosen=$2 && shift 2 ;;
        -n | --namespace) need_value "$1" $# && NAMESPACE=$2 && shift 2 ;;
        --here) HERE=true && shift ;;
        --bucket) need_value "$1" $# && BUCKET=$2 && shift 2 ;;
        *) misused "what is $1?" ;;
    esac
done
[[ -n $chosen ]] || misused "-e is needed"
choose_environment "$chosen"

PARTIAL=''
clean_up() {
    local code=$?
    trap - EXIT
    rm -rf "$WORK"
    if [[ -n $PARTIAL ]]; then
        s3 s3 rm --only-show-errors "s3://$BUCKET/$PARTIAL" || say "left behind: s3://$BUCKET/$PARTIAL"
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

found=$(sql <<< 'SELECT current_database(), pg_database_size(current_database());') ||
    fail "$FAILED" "the database cannot be asked $BY"
read -r database expected <<< "$found"
name=backup-$database-$(date -u +%Y%m%d-%H%M%S).dump
key=$ENVIRONMENT/$name
taken=$(s3 s3api list-objects-v2 --bucket "$BUCKET" --prefix "$key" --query 'Contents[].Key' --output text) ||
    fail "$FAILED" "the bucket $BUCKET cannot be reached"
[[ $taken == None ]] || fail "$FAILED" "there is a $name already"
only_told "back $database up to s3://$BUCKET/$key" && exit 0

say "dumping $database"
PARTIAL=$ENVIRONMENT/partial/$name
summing
in_toolbox bash -c "$(< "$SCRIPTS/database/dump.sh")" dump "$(< "$SCRIPTS/database/contents.sql")" \
    2> "$WORK/said" | passed_on | copy --expected-size "$expected" - "s3://$BUCKET/$PARTIAL" || {
    cat "$WORK/said" >&2
    fail "$FAILED" "the dump did not arrive whole; there is no backup"
}
summed
sum=$SUM size=$SIZE
mkdir "$WORK/beside"
sed -n 's/^contents //p' "$WORK/said" > "$WORK/beside/$name.contents"
printf '%s  %s\n' "$sum" "$name" > "$WORK/beside/$name.sha256"
[[ -s $WORK/beside/$name.contents ]] || fail "$FAILED" "nothing was told of what is in the dump; there is no backup"

say "reading $size bytes back"
summing
copy "s3://$BUCKET/$PARTIAL" - | passed_on |
    into_toolbox pg_restore --verbose --file /dev/null 2> "$WORK/listing" || {
    tail -n 5 "$WORK/listing" >&2
    fail "$FAILED" "it cannot be read to its end; there is no backup"
}
summed
[[ $SUM == "$sum" && $SIZE == "$size" ]] || fail "$FAILED" "S3 has not what was sent; there is no backup"
while read -r table _; do
    grep -qF "processing data for table \"${table//\"/}\"" "$WORK/listing" ||
        fail "$FAILED" "$table is not in it; there is no backup"
done < "$WORK/beside/$name.contents"

say "giving it its name"
copy --recursive "$WORK/beside" "s3://$BUCKET/$ENVIRONMENT" > /dev/null ||
    fail "$FAILED" "what belongs to it cannot be stored; there is no backup"
s3 s3 mv --only-show-errors "s3://$BUCKET/$PARTIAL" "s3://$BUCKET/$key" ||
    fail "$FAILED" "it cannot be given its name"
PARTIAL=''
stored=$(size_of "$key") || fail "$FAILED" "it cannot be found by its name"
[[ $stored == "$size" ]] || fail "$FAILED" "under its name it has $stored bytes of $size"
publish last_backup_timestamp "When a backup was last made, and read back whole."
say "$(wc -l < "$WORK/beside/$name.contents") tables, $size bytes, sha256 $sum"
printf 's3://%s/%s\n' "$BUCKET" "$key"
