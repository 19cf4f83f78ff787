-- How many sessions does a filter leave?
-- $words: part of the name; $split, $clock, $kind: exactly so; empty: any.
select count(*) as sessions
from page_sessions
where ($words = '' or contains(sought, lower($words)) or starts_with(session_id, $words))
    and ($split = '' or split = $split)
    and ($clock = '' or clock_status = $clock)
    and ($kind = '' or is_rig = ($kind = 'rig'))
