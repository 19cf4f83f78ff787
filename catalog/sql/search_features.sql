-- What does one view say of every current clip through each camera, where it says anything?
-- $view, $version: which; $given: the name of what it is given; $with_data: its arrays too.
select
    f.clip_id, f.session_id, s.name as session, f.camera_id, f.start_ns, f.end_ns, f.steps,
    f.vector, case when $with_data then f.data end as data, f.mask, f.scales, f.absent
from features as f
join clip_sources as c
    on c.clip_id = f.clip_id and c.camera_id = f.camera_id and c.givens[$given] = f.given
join current_sessions as s on s.session_id = f.session_id
where f.view = $view and f.version = $version and f.absent is null
order by f.clip_id, f.camera_id
