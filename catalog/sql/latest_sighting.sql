-- When was anything of an archive last seen, by the clock of whoever saw it? $archive_uri.
select coalesce(max(seen_ns), 0) as seen_ns from files where archive_uri = $archive_uri
