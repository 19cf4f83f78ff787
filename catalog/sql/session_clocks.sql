-- Which clocks were found, by what clocks are found by now, for sessions of these recordings?
-- $recording_ids, $clocking.
select cameras, clock_status, calibration
from sessions
where clocking = $clocking and list_has_any(
    list_transform(cameras, lambda camera: camera.recording_id), $recording_ids::varchar[]
)
order by session_id
