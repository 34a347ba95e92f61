# shellcheck shell=bash
# Runs in the toolbox: `bash -c` with this text, and contents.sql as its argument. The dump goes to stdout; what was in
# the database at the moment of the dump goes to stderr, each line after the word "contents".
set -euo pipefail
coproc SESSION { exec psql --no-psqlrc --quiet --tuples-only --no-align --field-separator=' ' --set ON_ERROR_STOP=1; }
exec {answers}<&"${SESSION[0]}" {questions}>&"${SESSION[1]}"

printf '%s\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;' 'SELECT pg_export_snapshot();' >&"$questions"
read -r snapshot <&"$answers"
printf '%s\n' "$1" "SELECT 'end';" >&"$questions"
while true; do
    read -r line <&"$answers"
    [[ $line != end ]] || break
    printf 'contents %s\n' "$line" >&2
done
pg_dump --format=custom --no-password --snapshot="$snapshot"
# Until here the moment had to stay; and this shell with it, which bash would else have replaced by pg_dump.
printf '%s\n' 'COMMIT;' >&"$questions"
