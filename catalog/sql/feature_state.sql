-- How many of the wanted features are there, refused and missing? One row a view.
-- $views, $versions, $givens: the wanted views, for each a version and what it is given; a view
-- of calibrated cameras is wanted only where there is a calibration.
-- $clip_ids: among these, null for all.
with wanted as (
    select
        w.view, w.version,
        exists (
            select 1 from features as f
            where f.clip_id = c.clip_id and f.camera_id = c.camera_id
                and f.view = w.view and f.version = w.version and f.given = c.givens[w.given]
        ) as is_there,
        exists (
            select 1 from quarantine as q
            where q.stage = 'extract' and q.kind = 'clip' and q.item_id = c.clip_id
                and coalesce(q.camera_id, c.camera_id) = c.camera_id
                and coalesce(q.view, w.view) = w.view
                and coalesce(q.version, w.version) = w.version
        ) as is_refused
    from clip_sources as c
    cross join (
        select
            unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
            unnest($givens::varchar[]) as given
    ) as w
    where ($clip_ids::varchar[] is null or c.clip_id in (select unnest($clip_ids::varchar[])))
        and c.givens[w.given] is not null
)
select
    view, version, count(*) as wanted,
    count(*) filter (where is_there) as cached,
    count(*) filter (where is_refused and not is_there) as quarantined,
    count(*) filter (where not is_refused and not is_there) as missing
from wanted
group by view, version
order by view
