-- What is known of each recording that is there now, without its bulk?
-- `session_id`, `camera_id`, `offset_ns`, `drift_ppb`: of one of its sessions, if it has any.
select
    r.recording_id, r.stream, r.byte_size, r.container, r.codec, r.pixel_format, r.width, r.height,
    r.rotation, r.rate_num, r.rate_den, r.is_vfr, r.start_pts, r.duration_ns, r.frames_decoded,
    r.frames_bad, r.has_audio, r.status, r.reason, p.archive_uri, p.member, p.byte_offset, p.packed,
    m.session_id, m.camera_id, m.offset_ns, m.drift_ppb
from recordings as r
join recording_places as p using (recording_id)
left join (
    from (select session_id, unnest(cameras, recursive := true) from page_sessions)
    qualify row_number() over (partition by recording_id order by session_id, camera_id) = 1
) as m using (recording_id)
