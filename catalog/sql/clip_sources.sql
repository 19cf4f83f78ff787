-- From which bytes is each camera of a current clip read, and on which clock?
-- `givens` says what a feature may depend on besides those bytes, by the name of the kind.
select
    c.clip_id, c.session_id, r.session_name, c.camera_id, c.start_ns, c.end_ns, c.split,
    c.shot_index, r.recording_id, r.offset_ns, r.drift_ppb, r.archive_uri, r.member,
    r.byte_offset, r.byte_size, r.packed, r.stream, r.start_pts, r.time_base_num, r.time_base_den,
    r.rate_num, r.rate_den, r.width, r.height, r.rotation, r.pixel_format, r.color_space,
    r.color_range, r.color_transfer, r.color_primaries, r.has_audio, r.status, r.labels,
    map {
        '': '',
        'labels': coalesce(md5(array_to_string(r.labels, chr(0))), ''),
        'calibration': r.calibration_digest
    } as givens
from (select * exclude (cameras), unnest(cameras) as camera_id from current_clips) as c
join current_recordings as r using (session_id, camera_id)
order by c.session_id, c.camera_id, c.start_ns, c.clip_id
