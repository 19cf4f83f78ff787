-- What do the wanted views say of these clips? $clip_ids null for all current ones.
-- $views, $versions, $givens: the wanted views, for each a version and what it is given.
select f.*, c.split
from features as f
join (
    select
        unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
        unnest($givens::varchar[]) as kind
) as w using (view, version)
join clip_sources as c
    on c.clip_id = f.clip_id and c.camera_id = f.camera_id and c.givens[w.kind] = f.given
where $clip_ids::varchar[] is null or f.clip_id in (select unnest($clip_ids::varchar[]))
order by f.session_id, f.camera_id, f.start_ns, f.view
