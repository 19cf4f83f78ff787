-- What do we know of the pictures of some recordings, frame by frame?
-- $recording_ids: the recordings.
select recording_id, duration_ns, hashes, signals
from recordings
where recording_id in (select unnest($recording_ids::varchar[]))
order by recording_id
