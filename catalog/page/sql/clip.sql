-- What is one clip? $clip_id.
select s.* exclude (position, clips), c.*
from page_clips as c join page_sessions as s using (position)
where c.clip_id = $clip_id
