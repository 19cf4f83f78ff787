-- Which sessions does one page of the list show?
-- $first: rows before it; $count: rows of it.
select position, session_id, name, archive_uri, cameras, duration_ns, split, clock_status, clips
from page_sessions
where position >= $first and position < $first + $count
order by position
