-- What did every frame of these recordings look like?
-- $recording_ids: the recordings.
select recording_id, signals, hashes
from recordings
where recording_id in (select unnest($recording_ids::varchar[]))
