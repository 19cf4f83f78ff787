-- What is one generation? $generation_id.
select g.*, s.name as session
from generations as g
left join page_sessions as s using (session_id)
where g.generation_id = $generation_id
