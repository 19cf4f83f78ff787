-- What do label files say of the recordings that are there now?
-- $limit: rows at most.
select
    r.member, l.label, round(l.start_ns / 1e9, 3) as start_s, round(l.end_ns / 1e9, 3) as end_s,
    r.session_name as session, r.camera_id as camera
from current_label_spans as l
join current_recordings as r using (recording_id)
order by l.label, r.archive_uri, r.member, l.start_ns
limit $limit
