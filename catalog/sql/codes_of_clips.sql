-- What are the codes of some clips by one version of a model, each clip's in order of time?
-- $model, $version; $session_ids, $clip_ids, $givens: the clips, in lists side by side.
-- Rows lie by session: their names spare a look into the other row groups.
select c.*
from codes as c
join (
    select unnest($clip_ids::varchar[]) as clip_id, unnest($givens::varchar[]) as given
) as wanted using (clip_id, given)
where c.model = $model and c.version = $version
    and c.session_id in (select unnest($session_ids::varchar[]))
order by c.session_id, c.clip_id, c.first_step
