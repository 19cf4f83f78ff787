-- What was one member of an archive when it was last looked at, and what was refused of it?
-- $path: the member, or the archive and the member.
select
    f.archive_uri, f.member, f.size_bytes, f.mtime_ns, f.byte_offset, f.file_id, f.status,
    f.session_id, f.forming, len(f.recordings) as recordings,
    (
        select list({kind: q.kind, reason: q.reason, detail: q.detail, version: q.version})
        from quarantine as q where q.stage = 'ingest' and q.item_id = f.file_id
    ) as refusals
from current_files as f
where f.member = $path or f.archive_uri || '/' || f.member = $path
order by f.seen_ns desc
limit 1
