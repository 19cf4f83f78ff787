-- Which clips are there now?
-- $limit: rows at most.
select
    c.clip_id, s.name as session, round(c.start_ns / 1e9, 3) as start_s,
    round((c.end_ns - c.start_ns) / 1e9, 3) as seconds, len(c.cameras) as cameras, c.split
from current_clips as c
join current_sessions as s using (session_id)
order by s.archive_uri, s.name, c.start_ns, c.clip_id
limit $limit
