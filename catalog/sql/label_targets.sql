-- Which recordings can a label file name, and where do they stand on their session's clock?
select
    recording_id, member, session_id, session_name, camera_id, offset_ns, drift_ppb, duration_ns
from current_recordings
where session_id is not null
order by session_id, camera_id
