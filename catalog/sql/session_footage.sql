-- Which recordings are the cameras of some sessions, and from which bytes are they read?
-- $sessions: names or ids of sessions.
select
    session_id, session_name, camera_id, recording_id, offset_ns, drift_ppb, archive_uri, member,
    byte_offset, byte_size, packed, stream, start_pts, time_base_num, time_base_den, rate_num,
    rate_den, width, height, color_space, color_range, duration_ns, has_audio, labels
from current_recordings
where
    session_id in (select unnest($sessions::varchar[]))
    or session_name in (select unnest($sessions::varchar[]))
order by session_id, camera_id
