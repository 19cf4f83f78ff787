-- What are the codes of one clip that serve, in order of time?
-- $clip_id.
-- Rows lie by session: its name spares a look into the other row groups.
select * from current_codes
where session_id = (select any_value(session_id) from clips where clip_id = $clip_id)
    and clip_id = $clip_id
order by model, start_ns
