-- Which features are wanted and neither there nor refused?
-- $views, $versions, $givens: the wanted views, for each a version and what it is given.
-- $clip_ids: among these, null for all.
with wanted as (
    select c.*, w.view, w.version, c.givens[w.given] as given
    from clip_sources as c
    cross join (
        select
            unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
            unnest($givens::varchar[]) as given
    ) as w
    where ($clip_ids::varchar[] is null or c.clip_id in (select unnest($clip_ids::varchar[])))
        and c.givens[w.given] is not null
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
    and f.view = w.view and f.version = w.version and f.given = w.given
anti join refused as q
    on q.clip_id = w.clip_id
    and coalesce(q.camera_id, w.camera_id) = w.camera_id
    and coalesce(q.view, w.view) = w.view
    and coalesce(q.version, w.version) = w.version
order by w.session_id, w.camera_id, w.start_ns, w.clip_id, w.view
