-- What did the runs do, newest first?
-- $flow: exactly so, empty: any; $first, $count: the page.
select * exclude (snapshot, parameters)
from runs
where $flow = '' or flow = $flow
order by started_ns desc, flow_run_id
limit $count offset $first
