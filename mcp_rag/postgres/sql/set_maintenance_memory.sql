-- What index builds of this session may take, e.g. '512MB'.
SELECT set_config('maintenance_work_mem', $1::text, false)
