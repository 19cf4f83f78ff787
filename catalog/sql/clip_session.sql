-- Which session is a clip of? $clip_id.
select session_id from clips where clip_id = $clip_id limit 1
