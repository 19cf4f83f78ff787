-- What is known of one clip that its code depends on, is it current, was its code refused?
-- $clip_id, $version.
select
    c.clip_id, c.session_id, c.cameras,
    (select any_value(g.given) from clip_givens as g where g.clip_id = $clip_id) as given,
    (
        select list(q.reason || ': ' || q.detail) from quarantine as q
        where q.stage = 'reindex' and q.item_id = $clip_id and q.version = $version
    ) as refusals
from clips as c
where c.clip_id = $clip_id
limit 1
