-- How much of one archive is known now?
-- $archive_uri.
with now as (select * from current_files where archive_uri = $archive_uri)
select
    (select count(*) from (select distinct unnest(recordings) from now)) as recordings,
    (select count(distinct session_id) from now) as sessions,
    (select count(*) from current_clips where session_id in (select session_id from now)) as clips,
    (select count(*) from now where status = 'duplicate') as duplicates,
    (
        select count(*) from duplicates
        where recording_id in (select unnest(recordings) from now)
            or other_id in (select unnest(recordings) from now)
    ) as near_duplicates
where exists (from now)
