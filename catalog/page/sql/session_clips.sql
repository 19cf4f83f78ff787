-- Which clips of one session does one page show?
-- $position: the session's; $first: rows before; $count: rows at most.
select clip_id, start_ns, end_ns, cameras, shot_index
from page_clips
where position = $position
order by start_ns, clip_id
limit $count offset $first
