-- Where are a recording's bytes now? One place each, the original's before a duplicate's.
-- byte_offset null: the member is a file or object of its own.
select recording_id, archive_uri, member, byte_offset, packed
from (
    select
        unnest(recordings) as recording_id, archive_uri, member, byte_offset,
        coalesce(packed, false) as packed, status
    from current_files
    where status in ('present', 'duplicate')
)
qualify row_number() over (
    partition by recording_id order by status = 'duplicate', archive_uri, member
) = 1
