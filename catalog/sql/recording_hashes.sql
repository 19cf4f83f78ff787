-- Which hashes has each recording that was ever scanned? As many rows: read it in batches.
select recording_id, hashes
from recordings
