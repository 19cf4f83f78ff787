-- Where are the shots of the sessions that are there now?
-- $limit: rows at most.
select
    s.name as session, t.camera_id as camera, round(t.start_ns / 1e9, 3) as start_s,
    round((t.end_ns - t.start_ns) / 1e9, 3) as seconds, t.kind
from current_shots as t
join current_sessions as s using (session_id)
order by s.archive_uri, s.name, t.camera_id, t.start_ns
limit $limit
