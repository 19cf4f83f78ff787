-- What has been made, from which clip by which model, how good, newest first?
-- $limit: rows at most. psnr_y and bicubic are dB against the truth where there is one.
select
    s.name as session, g.camera_id as camera, round(g.start_ns / 1e9, 3) as start_s,
    g.model || '/' || g.model_version as model, g.width || 'x' || g.height as size, g.frames,
    g.has_audio as sound,
    round(cast(json_extract(g.quality, '$.psnr_y') as double), 2) as psnr_y,
    round(cast(json_extract(g.quality, '$.bicubic_psnr_y') as double), 2) as bicubic,
    round(cast(json_extract(g.quality, '$.consistency_psnr_y') as double), 2) as consistency,
    parse_filename(g.uri) as file
from generations as g
left join sessions as s using (session_id)
order by g.created_ns desc, g.generation_id
limit $limit
