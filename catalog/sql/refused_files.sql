-- Which files gave no recording at all, and are on record for it?
select distinct item_id as file_id
from quarantine
where stage = 'ingest' and kind = 'file' and item_id not in (select file_id from recordings)
order by file_id
