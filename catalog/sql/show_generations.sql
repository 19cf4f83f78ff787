-- What has been made, from which clip by which model, newest first?
-- $limit: rows at most.
select
    g.application, g.model || '/' || g.model_version as model, s.name as session,
    g.camera_id as camera, round(g.start_ns / 1e9, 3) as start_s, g.width, g.height, g.frames,
    g.has_audio, g.bytes, g.uri
from generations as g
left join sessions as s using (session_id)
order by g.created_ns desc, g.generation_id
limit $limit
