-- Which sessions are these clips of? $clip_ids.
select distinct session_id from current_clips
where clip_id in (select unnest($clip_ids::varchar[]))
