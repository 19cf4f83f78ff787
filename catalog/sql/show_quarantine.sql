-- What was refused and why, newest first?
-- $limit: rows at most. The detail without the file's name, which stands beside it.
select
    stage, kind, reason, member, camera_id as camera, view, frames,
    coalesce(ltrim(replace(detail, archive_uri || '/' || member, ''), ': '), detail) as detail
from quarantine
order by seen_ns desc, archive_uri, member, item_id, view
limit $limit
