-- Held until the connection ends. Any number that no one else uses.
SELECT pg_try_advisory_lock(6724831150022)
