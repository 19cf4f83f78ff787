-- Which generations have been made?
select * from generations
order by session_id, camera_id, start_ns, generation_id
