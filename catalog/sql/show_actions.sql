-- What was recognised, where and how surely, newest clips' sessions together?
-- $limit: rows at most.
select
    s.name as session, a.camera_id as camera, round(a.start_ns / 1e9, 2) as start_s,
    round(a.end_ns / 1e9, 2) as end_s, a.label, round(a.score, 3) as score, a.runner_up,
    a.track_id as track, a.clip_id
from actions as a
left join sessions as s using (session_id)
order by s.name, a.start_ns, a.camera_id
limit $limit
