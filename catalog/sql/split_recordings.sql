-- Which recordings has every session that was ever formed, and on which side of the split is it?
-- Sessions that are no longer there count: something may have been learned from them.
select
    s.session_id, s.name as session_name, s.group_id, s.split, s.recording_id,
    coalesce(r.file_id, s.recording_id) as file_id
from (
    select
        session_id, name, group_id, split,
        unnest(list_transform(cameras, lambda camera: camera.recording_id)) as recording_id
    from sessions
) as s
left join recordings as r using (recording_id)
order by s.session_id, s.recording_id
