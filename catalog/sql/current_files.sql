-- Which members do the archives hold now? The latest sighting of each that is not gone.
select * from files
qualify status <> 'gone' and row_number() over (
    partition by archive_uri, member order by seen_ns desc, flow_run_id desc
) = 1
