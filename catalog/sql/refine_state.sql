-- Which current clips have codes of a version, which of these are refined, refused, lack pictures?
-- $model, $base: the codes that are refined, $version: what they become.
-- $view, $pictures, $kind: the view of the pictures aimed at, its version, what it is given.
with based as (
    select
        clip_id, given, count(*) as windows, sum(octet_length(data))::bigint as bytes,
        bool_or(coalesce(octet_length(data), 0) = 0) as is_without_bytes
    from codes
    where model = $model and version = $base
    group by clip_id, given
),
lacking as (
    select distinct s.clip_id
    from clip_sources as s
    anti join features as f
        on f.clip_id = s.clip_id and f.camera_id = s.camera_id
        and f.view = $view and f.version = $pictures and f.given = s.givens[$kind]
    anti join (select * from quarantine where stage = 'extract' and kind = 'clip') as q
        on q.item_id = s.clip_id
        and coalesce(q.camera_id, s.camera_id) = s.camera_id
        and coalesce(q.view, $view) = $view
        and coalesce(q.version, $pictures) = $pictures
)
select
    g.clip_id, g.session_id, g.start_ns, g.end_ns, g.given, len(g.cameras) as cameras,
    b.windows, b.bytes, b.is_without_bytes,
    exists (
        select 1 from codes as c
        where c.model = $model and c.version = $version
            and c.clip_id = g.clip_id and c.given = g.given
    ) as is_there,
    exists (
        select 1 from quarantine as q
        where q.stage = 'refine' and q.item_id = g.clip_id and q.version = $version
    ) as is_refused,
    g.clip_id in (from lacking) as is_lacking
from clip_givens as g
join based as b using (clip_id, given)
order by g.session_id, g.start_ns, g.clip_id
