-- What do the codes of each current clip depend on, besides what its views say?
select
    clip_id, any_value(session_id) as session_id, any_value(start_ns) as start_ns,
    any_value(end_ns) as end_ns, list(camera_id order by camera_id) as cameras,
    md5(string_agg(
        concat_ws(chr(1), camera_id, givens['labels'], coalesce(givens['calibration'], '-')),
        chr(0) order by camera_id
    )) as given
from clip_sources
group by clip_id
