-- Which sessions are there now, and on which side of the split?
-- $limit: rows at most.
select
    name, len(cameras) as cameras, round(duration_ns / 1e9, 3) as seconds, split, clock_status,
    group_id, session_id
from current_sessions
order by archive_uri, name
limit $limit
