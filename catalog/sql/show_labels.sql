-- What do users say of the recordings that are there now?
-- $limit: rows at most.
select r.member, l.label, r.session_name as session, r.camera_id as camera, l.recording_id
from labels as l
join current_recordings as r using (recording_id)
order by l.label, r.archive_uri, r.member
limit $limit
