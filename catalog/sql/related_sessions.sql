-- Which known sessions, current or not, are these, or hold one of these recordings? And where is
-- each on the split?
-- $session_ids, $recording_ids.
select
    session_id, group_id, split,
    list_transform(cameras, lambda camera: camera.recording_id) as recording_ids
from sessions
where session_id in (select unnest($session_ids::varchar[]))
    or list_has_any(
        list_transform(cameras, lambda camera: camera.recording_id), $recording_ids::varchar[]
    )
order by session_id
