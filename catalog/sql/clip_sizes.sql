-- In which shape does each camera see these clips? $clip_ids.
select clip_id, camera_id, width, height, rotation from clip_sources
where clip_id in (select unnest($clip_ids::varchar[]))
