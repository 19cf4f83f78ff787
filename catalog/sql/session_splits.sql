-- On which side of the split, in which group, is every session ever formed, and is it still there?
select
    session_id, name, group_id, split,
    session_id in (select session_id from current_sessions) as is_current
from sessions
order by session_id
