-- What was made, newest first?
-- $application: exactly so; $clip_id: of this clip; empty: any. $first, $count: the page.
select g.*, s.name as session
from generations as g
left join page_sessions as s using (session_id)
where ($application = '' or g.application = $application) and ($clip_id = '' or g.clip_id = $clip_id)
order by g.created_ns desc, g.generation_id
limit $count offset $first
