-- Which cameras do current clips have together, in which session, and what are they given?
-- One row a set and camera: few, where clips are many. `given` is as in `clip_givens`.
with sets as (
    select
        hash(session_id, cameras) as set_key, any_value(session_id) as session_id,
        any_value(cameras) as cameras
    from current_clips
    group by set_key
),
seen as (
    select
        s.set_key, s.session_id, s.camera_id, r.calibration_digest as calibration,
        coalesce(md5(array_to_string(r.labels, chr(0))), '') as labels
    from (select *, unnest(cameras) as camera_id from sets) as s
    join current_recordings as r using (session_id, camera_id)
),
whole as (
    select
        set_key, dense_rank() over (order by any_value(session_id), set_key) - 1 as set_no,
        count(*) as cameras, min(camera_id) as first_camera,
        md5(string_agg(
            concat_ws(chr(1), camera_id, labels, coalesce(calibration, '-')),
            chr(0) order by camera_id
        )) as given
    from seen
    group by set_key
)
select
    set_key, w.set_no::integer as set_no, s.session_id, w.cameras::integer as cameras, w.given,
    s.camera_id, s.camera_id = w.first_camera as is_first, s.labels, s.calibration
from seen as s
join whole as w using (set_key)
