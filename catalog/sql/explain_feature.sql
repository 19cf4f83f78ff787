-- Which versions of one view are there for one clip, made of what, by which run?
-- $clip_id, $view.
select
    f.camera_id, f.version, f.given, f.absent, f.steps, octet_length(f.data) as bytes, f.flow_run_id,
    v.parameters, v.source, v.weights, v.decoder
from features as f
left join view_versions as v using (view, version)
where f.clip_id = $clip_id and f.view = $view
order by f.camera_id, f.version
