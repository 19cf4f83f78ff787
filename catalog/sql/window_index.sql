-- Which clips can windows be cut from, and through which cameras were they seen?
-- $split: train or heldout; $sessions: null, or exactly those that are meant, of either.
select
    c.clip_id, c.session_id, c.camera_id, c.start_ns, c.end_ns, c.givens, c.width, c.height,
    s.calibration
from clip_sources as c
join current_sessions as s using (session_id)
-- Not list_contains: of ten million clips each would be compared with hundreds of sessions.
where ($sessions is null and c.split = $split)
    or c.session_id in (select unnest($sessions::varchar[]))
order by c.session_id, c.start_ns, c.clip_id, c.camera_id
