-- What does each view say of one clip, through each camera, in its newest version?
-- $clip_id; $session_id, $start_ns: where to look.
select f.view, f.version, f.camera_id, f.steps, f.absent, f.vector is not null as has_vector
from features as f
where f.session_id = $session_id and f.start_ns = $start_ns and f.clip_id = $clip_id
order by f.view, f.camera_id, f.version
