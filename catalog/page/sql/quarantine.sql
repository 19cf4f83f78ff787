-- What was refused, newest first?
-- $stage, $reason: exactly so, empty: any; $first, $count: the page.
select stage, kind, reason, detail, archive_uri, member, camera_id, view, frames, seen_ns, item_id
from quarantine
where ($stage = '' or stage = $stage) and ($reason = '' or reason = $reason)
order by seen_ns desc, archive_uri, member, item_id, view
limit $count offset $first
