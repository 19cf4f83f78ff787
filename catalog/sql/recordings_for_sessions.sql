-- What do sessions and clips need to know of the recordings of some files?
-- $file_ids: the files.
select file_id, recording_id, stream, duration_ns, cuts_ns, bad_spans, hashes
from recordings
where file_id in (select unnest($file_ids::varchar[]))
order by file_id, stream
