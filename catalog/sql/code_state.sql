-- Which current clips have codes of a version, which were refused, which miss features?
-- $model, $version: the codes wanted.
-- $views, $versions, $givens: the views that windows are read from, for each a version and what
-- it is given.
-- $clip_ids: among these, null for all.
with lacking as (
    select distinct s.clip_id
    from clip_sources as s
    cross join (
        select
            unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
            unnest($givens::varchar[]) as kind
    ) as w
    anti join features as f
        on f.clip_id = s.clip_id and f.camera_id = s.camera_id
        and f.view = w.view and f.version = w.version and f.given = s.givens[w.kind]
    anti join (
        select item_id, camera_id, view, version from quarantine
        where stage = 'extract' and kind = 'clip'
    ) as q
        on q.item_id = s.clip_id
        and coalesce(q.camera_id, s.camera_id) = s.camera_id
        and coalesce(q.view, w.view) = w.view
        and coalesce(q.version, w.version) = w.version
    where ($clip_ids::varchar[] is null or s.clip_id in (select unnest($clip_ids::varchar[])))
        and s.givens[w.kind] is not null
)
select
    g.clip_id, g.session_id, g.start_ns, g.end_ns, g.given,
    exists (
        select 1 from codes as c
        where c.model = $model and c.version = $version
            and c.clip_id = g.clip_id and c.given = g.given
    ) as is_there,
    exists (
        select 1 from quarantine as q
        where q.stage = 'reindex' and q.item_id = g.clip_id and q.version = $version
    ) as is_refused,
    g.clip_id in (from lacking) as is_lacking
from clip_givens as g
where $clip_ids::varchar[] is null or g.clip_id in (select unnest($clip_ids::varchar[]))
order by g.session_id, g.start_ns, g.clip_id
