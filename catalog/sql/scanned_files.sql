-- Of which files has a recording been decoded in full?
select distinct file_id from recordings
order by file_id
