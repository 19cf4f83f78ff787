-- What was refused, newest first?
-- $stage, $reason: exactly so, empty: any; $first, $count: the page.
from page_quarantine
where position in (
    select position
    from page_quarantine
    where ($stage = '' or stage = $stage) and ($reason = '' or reason = $reason)
    order by position
    limit $count offset $first
)
order by position
