-- Which footage does each known session hold, and to which side of the split does it belong?
select s.session_id, s.group_id, s.split, list(r.hashes order by r.recording_id) as hashes
from (
    select session_id, group_id, split, unnest(cameras).recording_id as recording_id
    from sessions
) as s
join recordings as r using (recording_id)
group by s.session_id, s.group_id, s.split
order by s.session_id
