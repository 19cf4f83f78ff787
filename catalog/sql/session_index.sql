-- Which clips of some sessions can windows be cut from, and through which cameras? $sessions.
select
    c.clip_id, c.session_id, c.camera_id, c.start_ns, c.end_ns, c.givens, c.width, c.height,
    s.calibration
from clip_sources as c
join current_sessions as s using (session_id)
where c.session_id in (select unnest($sessions::varchar[]))
order by c.session_id, c.start_ns, c.clip_id, c.camera_id
