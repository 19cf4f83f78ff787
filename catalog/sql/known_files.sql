-- What was each member of one archive when it was last looked at?
-- $archive_uri.
select * from current_files
where archive_uri = $archive_uri
order by member
