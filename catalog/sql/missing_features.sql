-- Which features are wanted and neither there nor refused?
-- $views, $versions: the wanted views, one version each; $clip_ids: among these, null for all.
with wanted as (
    select c.*, w.view, w.version
    from clip_sources as c
    cross join (
        select unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version
    ) as w
    where $clip_ids::varchar[] is null or c.clip_id in (select unnest($clip_ids::varchar[]))
),
refused as (
    select item_id as clip_id, camera_id, view, version
    from quarantine
    where stage = 'extract' and kind = 'clip'
)
select w.*
from wanted as w
anti join features as f
    on f.clip_id = w.clip_id and f.camera_id = w.camera_id
    and f.view = w.view and f.version = w.version
anti join refused as q
    on q.clip_id = w.clip_id
    and coalesce(q.camera_id, w.camera_id) = w.camera_id
    and coalesce(q.view, w.view) = w.view
    and coalesce(q.version, w.version) = w.version
order by w.session_id, w.camera_id, w.start_ns, w.clip_id, w.view
