-- Which spans have the clips that a label file names? $clip_ids.
select clip_id, session_id, start_ns, end_ns
from current_clips
where clip_id in (select unnest($clip_ids::varchar[]))
