-- Through which cameras, of which size, are the clips of calibrated sessions seen?
-- $clip_ids: which clips.
select c.clip_id, c.camera_id, c.width, c.height, s.calibration
from clip_sources as c
join current_sessions as s using (session_id)
where s.calibration is not null and c.clip_id in (select unnest($clip_ids::varchar[]))
order by c.clip_id, c.camera_id
