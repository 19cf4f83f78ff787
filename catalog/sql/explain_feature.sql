-- Which versions of one view are there for one clip, by which run?
-- $clip_id, $view.
select camera_id, version, steps, octet_length(data) as bytes, flow_run_id
from features
where clip_id = $clip_id and view = $view
order by camera_id, version
