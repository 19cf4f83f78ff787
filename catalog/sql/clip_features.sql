-- What do the wanted views say of these clips? $clip_ids null for all current ones.
-- $views, $versions: the wanted views, one version each.
select f.*, c.split
from features as f
join (
    select unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version
) as w using (view, version)
join current_clips as c using (clip_id)
where $clip_ids::varchar[] is null or f.clip_id in (select unnest($clip_ids::varchar[]))
order by f.session_id, f.camera_id, f.start_ns, f.view
