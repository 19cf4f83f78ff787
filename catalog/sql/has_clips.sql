-- Is there any clip that can be used now? One row or none.
select clip_id from current_clips limit 1
