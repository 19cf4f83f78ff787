-- Which windows can be found by their code? Of current clips, those that saw something.
-- $model: whose codes. `key` names a code in 16 bytes; `code_vectors.sql` has the vectors.
select
    c.clip_id, c.session_id, s.name as session, null::varchar as camera_id, c.start_ns, c.end_ns,
    unhex(md5(c.code_id)) as key
from current_codes as c
join current_sessions as s using (session_id)
where c.model = $model and c.seen > 0
order by c.clip_id, c.start_ns, c.code_id
