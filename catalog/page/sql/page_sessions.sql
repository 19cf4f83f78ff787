-- Which sessions are there now, in the order in which they are shown?
-- `position` counts from 0: a page is a range of it. `sought` is what a filter looks into.
select
    row_number() over (order by s.archive_uri, s.name, s.session_id) - 1 as position,
    s.session_id, s.name, s.archive_uri, s.cameras, s.duration_ns, s.split, s.clock_status,
    s.group_id, s.calibration is not null as is_calibrated, coalesce(c.clips, 0) as clips,
    lower(s.name) as sought, len(s.cameras) > 1 as is_rig
from current_sessions as s
left join (select session_id, count(*) as clips from current_clips group by 1) as c
    using (session_id)
order by position
