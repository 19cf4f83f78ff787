-- What do the views of bodies say of one clip through one camera, the newest of each?
-- $clip_id, $camera_id.
select * from features
where clip_id = $clip_id and camera_id = $camera_id and view in ('tracks', 'skeleton')
qualify row_number() over (partition by view order by flow_run_id desc) = 1
