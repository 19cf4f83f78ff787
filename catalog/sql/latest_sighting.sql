-- When was anything of an archive last seen, by the clock of whoever saw it? $archive_uri.
select max(seen_ns) as seen_ns from files where archive_uri = $archive_uri having count(*) > 0
