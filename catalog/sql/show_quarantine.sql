-- What was refused and why, newest first?
-- $limit: rows at most.
select stage, kind, reason, member, camera_id as camera, view, frames, detail
from quarantine
order by seen_ns desc, archive_uri, member, item_id, view
limit $limit
