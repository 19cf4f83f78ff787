-- What is each recording that is there now, and how much of it could be decoded?
-- $limit: rows at most.
select
    member, session_name as session, camera_id as camera, codec, width, height,
    round(rate_num / nullif(rate_den, 0), 3) as rate, round(duration_ns / 1e9, 3) as seconds,
    frames_decoded, frames_bad, status, reason, recording_id
from current_recordings
order by archive_uri, member, stream
limit $limit
