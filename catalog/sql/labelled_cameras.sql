-- Which cameras of current sessions does a label file say something of, on the session's clock?
-- `worded`: a manifest has words of it too, which are part of its codes.
select
    c.session_id, c.session_name, c.split, s.group_id, c.camera_id, c.offset_ns, c.drift_ppb,
    l.label, l.start_ns, l.end_ns,
    c.recording_id in (select recording_id from labels) as worded
from session_cameras as c
join current_sessions as s using (session_id)
join current_label_spans as l using (recording_id)
order by c.session_id, c.camera_id, l.start_ns, l.label
