-- Which recordings has each known session, current or not, and on which side of the split is it?
select
    session_id, group_id, split,
    list_transform(cameras, lambda camera: camera.recording_id) as recording_ids
from sessions
order by session_id
