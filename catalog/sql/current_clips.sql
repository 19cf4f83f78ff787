-- Which clips can be used now? Those of current sessions, as they were last cut.
select * from clips
where (session_id, forming) in (
    select session_id, forming from current_files where session_id is not null
)
