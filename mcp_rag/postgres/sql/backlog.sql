-- Of all tenants together: passages that wait for a vector of recipe $1, those set aside after $2 tries, and since
-- when the first of the waiting waits.
SELECT waiting, set_aside, oldest FROM backlog($1::smallint, $2)
