-- What are the keys of features of current clips that were refused, so that nobody waits for them?
-- Reads `camera_sets`. $views, $versions, $givens: the wanted views, for each a version and what it
-- is given.
select
    w.view,
    hash(c.clip_id, s.camera_id, case w.kind
        when 'labels' then s.labels when 'calibration' then s.calibration else ''
    end) as key
from quarantine as q
join current_clips as c on c.clip_id = q.item_id
join camera_sets as s on s.set_key = hash(c.session_id, c.cameras)
cross join (
    select
        unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
        unnest($givens::varchar[]) as kind
) as w
where q.stage = 'extract' and q.kind = 'clip'
    and coalesce(q.camera_id, s.camera_id) = s.camera_id
    and coalesce(q.view, w.view) = w.view
    and coalesce(q.version, w.version) = w.version
