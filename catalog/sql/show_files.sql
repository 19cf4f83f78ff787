-- What do the archives hold now, last seen first?
-- $limit: rows at most.
select
    f.member, f.status, f.size_bytes, len(f.recordings) as recordings, s.name as session,
    make_timestamp(f.seen_ns // 1000)::varchar as seen, f.archive_uri
from current_files as f
left join sessions as s using (session_id)
order by f.seen_ns desc, f.archive_uri, f.member
limit $limit
