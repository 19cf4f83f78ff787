-- Which sessions does one page of those that a filter leaves show?
-- $words: part of the name; $split, $clock, $kind: exactly so; empty: any. $first, $count: the page.
select position, session_id, name, archive_uri, cameras, duration_ns, split, clock_status, clips
from page_sessions
where position in (
    -- Over the narrow columns alone; lists of cameras are read of one page.
    select position
    from page_sessions
    where ($words = '' or contains(sought, lower($words)) or starts_with(session_id, $words))
        and ($split = '' or split = $split)
        and ($clock = '' or clock_status = $clock)
        and ($kind = '' or is_rig = ($kind = 'rig'))
    order by position
    limit $count offset $first
)
order by position
