-- What do the wanted views say of these clips, as the index of windows has them?
-- $views, $versions, $givens: the wanted views, for each a version and what it is given.
-- $clip_ids, $session_ids: which clips, and the sessions that they are of.
select f.clip_id, f.camera_id, f.view, f.steps, f.data, f.mask, f.scales, f.vector, f.absent
from features as f
join (
    select
        unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
        unnest($givens::varchar[]) as given
) as w using (view, version)
join window_index as i on i.clip_id = f.clip_id and i.camera_id = f.camera_id
where i.givens[w.given] = f.given
    and f.session_id in (select unnest($session_ids::varchar[]))
    and f.clip_id in (select unnest($clip_ids::varchar[]))
