-- Which recordings are the cameras of one session? $session_id.
select m.*, r.* exclude (recording_id, session_id, camera_id, offset_ns, drift_ppb)
from (
    select unnest(cameras, recursive := true) from page_sessions where session_id = $session_id
) as m
left join page_recordings as r using (recording_id)
order by m.camera_id
