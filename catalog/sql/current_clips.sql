-- Which clips can be used now? Those of current sessions.
select * from clips
where session_id in (select session_id from current_sessions)
