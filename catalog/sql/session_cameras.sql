-- Which recording is each camera of a current session, and where does it stand on its clock?
select
    session_id, name as session_name, split, md5(calibration) as calibration_digest,
    unnest(cameras, recursive := true)
from current_sessions
