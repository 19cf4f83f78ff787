-- What did each run do, newest first?
-- $limit: rows at most.
select
    make_timestamp(started_ns // 1000)::varchar as started, flow, status, inputs, done, cached,
    quarantined, failed, pending, round(seconds, 1) as seconds, flow_run_id
from runs
order by started_ns desc, flow_run_id
limit $limit
