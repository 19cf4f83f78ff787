-- Which sessions can be seen now? Those that a current file belongs to.
select * from sessions
where session_id in (select session_id from current_files where session_id is not null)
