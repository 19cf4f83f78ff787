-- Which sessions have been found before, current or not?
select session_id from sessions
order by session_id
