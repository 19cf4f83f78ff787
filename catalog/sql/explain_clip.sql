-- What is known of one clip, is it current, and was one view of it refused?
-- $clip_id, $view, $version.
select
    c.clip_id, c.session_id, c.cameras,
    c.clip_id in (select clip_id from current_clips) as is_current,
    (
        select list({camera_id: q.camera_id, reason: q.reason, detail: q.detail})
        from quarantine as q
        where q.stage = 'extract' and q.kind = 'clip' and q.item_id = c.clip_id
            and coalesce(q.view, $view) = $view and coalesce(q.version, $version) = $version
    ) as refusals
from clips as c
where c.clip_id = $clip_id
limit 1
