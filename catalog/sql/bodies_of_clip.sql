-- What do these versions of the views of bodies say of one clip through one camera?
-- $session_id, $clip_id, $camera_id; $views, $versions: the views, for each its version.
-- Rows lie by session: its name spares a look into the other row groups.
select f.*
from features as f
join (
    select unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version
) as w using (view, version)
where f.session_id = $session_id and f.clip_id = $clip_id and f.camera_id = $camera_id
