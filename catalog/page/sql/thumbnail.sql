-- What is stored of one camera's pictures nearest to an instant of the session clock?
-- $session_id, $camera_id, $at_ns.
select steps, data, mask, scales, vector, absent, start_ns, end_ns
from features
where session_id = $session_id and camera_id = $camera_id and view = 'thumbnail' and absent is null
order by start_ns > $at_ns::bigint, abs(start_ns - $at_ns::bigint)
limit 1
