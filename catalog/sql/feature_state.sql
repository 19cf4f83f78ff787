-- How many of the wanted features are there, refused and missing? One row a view.
-- $views, $versions: the wanted views, one version each; $clip_ids: among these, null for all.
with wanted as (
    select c.clip_id, c.camera_id, w.view, w.version
    from clip_cameras as c
    cross join (
        select unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version
    ) as w
    where $clip_ids::varchar[] is null or c.clip_id in (select unnest($clip_ids::varchar[]))
),
there as (
    select w.* from wanted as w
    semi join features as f
        on f.clip_id = w.clip_id and f.camera_id = w.camera_id
        and f.view = w.view and f.version = w.version
),
refused as (
    select w.* from (from wanted except from there) as w
    semi join (from quarantine where stage = 'extract' and kind = 'clip') as q
        on q.item_id = w.clip_id
        and coalesce(q.camera_id, w.camera_id) = w.camera_id
        and coalesce(q.view, w.view) = w.view
        and coalesce(q.version, w.version) = w.version
)
select
    view, version, count(*) as wanted,
    (select count(*) from there as t where t.view = w.view) as cached,
    (select count(*) from refused as r where r.view = w.view) as quarantined,
    wanted - cached - quarantined as missing
from wanted as w
group by view, version
order by view
