-- What is known of each recording that is there now, with its place, session, camera and clock?
select
    r.* replace (
        p.archive_uri as archive_uri, p.member as member, p.byte_offset as byte_offset
    ),
    p.packed, m.session_id, m.session_name, m.camera_id, m.offset_ns, m.drift_ppb,
    m.clock_confidence, m.calibration_digest, l.labels
from recordings as r
join recording_places as p using (recording_id)
left join session_cameras as m using (recording_id)
left join (
    select recording_id, list(label order by label) as labels from labels group by recording_id
) as l using (recording_id)
