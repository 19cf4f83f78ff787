-- When was the newest of all rows made that say when? None where there is no such row.
select max(at_ns) as newest_ns
from (
    select max(ended_ns) as at_ns from runs
    union all select max(seen_ns) from files
    union all select max(seen_ns) from quarantine
    union all select max(chosen_ns) from code_versions
)
having max(at_ns) is not null
