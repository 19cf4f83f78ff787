-- Which clips can be used now, in order of session and time?
select s.position, c.clip_id, c.start_ns, c.end_ns, c.cameras, c.shot_index
from current_clips as c
join page_sessions as s using (session_id)
order by s.position, c.start_ns, c.clip_id
