-- What is said of current clips by label files, and by the model of actions that told of each last?
-- A row a clip, camera, stretch and label; `said` is by whom: label or predicted.
with seen as (
    select c.clip_id, c.session_id, r.session_name, c.camera_id, c.start_ns, c.end_ns,
        r.recording_id, r.offset_ns, coalesce(r.drift_ppb, 0) as drift_ppb
    from (select * exclude (cameras), unnest(cameras) as camera_id from current_clips) as c
    join session_cameras as r using (session_id, camera_id)
),
told as (
    select clip_id, camera_id, max_by(generation_id, (created_ns, generation_id)) as generation_id
    from generations
    where application = 'action'
    group by clip_id, camera_id
),
spans as (
    -- From each recording's clock to its session's, as `tasks/clocks/clock.py` has it.
    select s.* exclude (start_ns, end_ns), l.label,
        greatest(s.start_ns, coalesce(s.offset_ns + cast(
            l.start_ns::hugeint * 1000000000 // (1000000000 + s.drift_ppb) as bigint
        ), s.start_ns)) as start_ns,
        least(s.end_ns, coalesce(s.offset_ns + cast(
            l.end_ns::hugeint * 1000000000 // (1000000000 + s.drift_ppb) as bigint
        ), s.end_ns)) as end_ns
    from seen as s
    join current_label_spans as l using (recording_id)
)
select clip_id, session_id, session_name as session, camera_id, start_ns, end_ns, label,
    'label' as said
from spans
where start_ns < end_ns
union all
select a.clip_id, a.session_id, s.session_name, a.camera_id, a.start_ns, a.end_ns, a.label,
    'predicted'
from actions as a
join told using (clip_id, camera_id, generation_id)
join seen as s using (clip_id, camera_id)
order by clip_id, camera_id, start_ns, said
