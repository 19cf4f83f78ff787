-- Through which cameras were these clips seen, of which size, and how are they calibrated?
-- $clip_ids.
select c.clip_id, c.camera_id, c.width, c.height, s.calibration
from clip_sources as c
join current_sessions as s using (session_id)
where s.calibration is not null and c.clip_id in (select unnest($clip_ids::varchar[]))
order by c.clip_id, c.camera_id
