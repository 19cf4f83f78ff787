-- Where are the shots of current sessions, as they were last found?
select * from shots
where (session_id, forming) in (
    select session_id, forming from current_files where session_id is not null
)
