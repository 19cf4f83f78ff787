-- What has become of each member of an archive: same, fresh (new or changed) or gone?
-- Reads `listed`, the members now. $archive_uri; $refusing: digest of the limits and the decoder: a
-- file that was refused under others is fresh again.
with known as (
    select * from current_files where archive_uri = $archive_uri
),
standing as (
    select distinct item_id from quarantine
    where stage = 'ingest' and kind = 'file' and coalesce(version, $refusing) = $refusing
)
select
    coalesce(l.member, k.member) as member,
    case
        when l.member is null then 'gone'
        when k.size_bytes = l.size_bytes and k.mtime_ns = l.mtime_ns
            and k.byte_offset is not distinct from l.byte_offset
            and coalesce(k.packed, false) = l.packed
            and (k.status <> 'quarantined' or k.file_id in (from standing))
        then 'same'
        else 'fresh'
    end as state,
    l.place, l.hint, k.place as known_place, k.hint as known_hint, k.status, k.file_id,
    k.session_id, k.forming, k.size_bytes as known_size_bytes, k.mtime_ns as known_mtime_ns
from listed as l
full join known as k using (member)
