-- What are the keys of each current clip, of its code and of its features through each camera?
-- Reads `camera_sets`, made of camera_sets.sql. $version: whose refusals count; $step_ns: the grid.
select
    hash(c.clip_id, s.given) as code, s.set_no, s.is_first,
    ((c.end_ns - c.start_ns + $step_ns::bigint - 1) // $step_ns::bigint)::integer as steps,
    c.clip_id in (
        select item_id from quarantine where stage = 'reindex' and version = $version
    ) as is_refused,
    hash(c.clip_id, s.camera_id, '') as plain,
    hash(c.clip_id, s.camera_id, s.labels) as labels,
    hash(c.clip_id, s.camera_id, s.calibration) as calibration,
    s.calibration is not null as is_calibrated
from current_clips as c
join camera_sets as s on s.set_key = hash(c.session_id, c.cameras)
