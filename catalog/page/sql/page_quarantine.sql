-- What was refused, newest first?
-- `position` counts from 0 in that order. The evidence is as long as a page shows it.
select
    row_number() over (order by seen_ns desc, archive_uri, member, item_id, view) - 1 as position,
    stage, kind, reason, detail[:400] as detail, member, camera_id, view, frames, seen_ns, item_id
from quarantine
order by position
