-- Where are a recording's bytes now? One place each, the original's before a duplicate's.
select recording_id, archive_uri, member, byte_offset
from (
    select
        unnest(recordings) as recording_id, archive_uri, member,
        coalesce(byte_offset, 0) as byte_offset, status
    from current_files
    where status in ('present', 'duplicate')
)
qualify row_number() over (
    partition by recording_id order by status = 'duplicate', archive_uri, member
) = 1
