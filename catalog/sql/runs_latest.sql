-- How did the last run of each flow end?
select * from runs
qualify row_number() over (partition by flow order by started_ns desc, flow_run_id desc) = 1
order by flow
