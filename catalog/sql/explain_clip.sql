-- What is known of one clip, is it current, what is each camera given, was one view refused?
-- $clip_id, $view, $version, $given: the kind of what the view is given.
select
    c.clip_id, c.session_id, c.cameras,
    c.clip_id in (select clip_id from current_clips) as is_current,
    (
        select list({camera_id: s.camera_id, given: s.givens[$given]})
        from clip_sources as s
        where s.clip_id = c.clip_id
    ) as givens,
    (
        select list({camera_id: q.camera_id, reason: q.reason, detail: q.detail})
        from quarantine as q
        where q.stage = 'extract' and q.kind = 'clip' and q.item_id = c.clip_id
            and coalesce(q.view, $view) = $view and coalesce(q.version, $version) = $version
    ) as refusals
from clips as c
where c.clip_id = $clip_id
limit 1
