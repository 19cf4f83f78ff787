-- Which clips has a session? $session_id.
select clip_id from current_clips where session_id = $session_id
