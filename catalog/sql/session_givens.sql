-- What do the codes of each current clip of some sessions depend on, by which key? $sessions.
select *, hash(clip_id, given) as code
from (
    select
        clip_id, any_value(end_ns) as end_ns,
        md5(string_agg(
            concat_ws(chr(1), camera_id, givens['labels'], coalesce(givens['calibration'], '-')),
            chr(0) order by camera_id
        )) as given
    from clip_sources
    where session_id in (select unnest($sessions::varchar[]))
    group by clip_id
)
