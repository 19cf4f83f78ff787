-- What do users say of what each camera of a current session recorded?
select c.session_id, c.camera_id, l.label
from session_cameras as c
join labels as l using (recording_id)
order by c.session_id, c.camera_id, l.label
