-- Which clips of a split can windows be cut from, and through which cameras were they seen?
-- $split: train or heldout.
select
    c.clip_id, c.session_id, c.camera_id, c.start_ns, c.end_ns, c.givens, c.width, c.height,
    s.calibration
from clip_sources as c
join current_sessions as s using (session_id)
where c.split = $split
order by c.session_id, c.start_ns, c.clip_id, c.camera_id
