-- Which of these files need no scan: decoded in full before, or refused for good?
-- $file_ids: the files; $refusing: as in listing_state.sql.
select file_id, false as is_refused
from recordings
where file_id in (select unnest($file_ids::varchar[]))
union
select item_id, true
from quarantine
where stage = 'ingest' and kind = 'file' and item_id in (select unnest($file_ids::varchar[]))
    and coalesce(version, $refusing) = $refusing
    and item_id not in (select file_id from recordings)
