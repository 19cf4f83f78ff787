-- When did a run of each flow last end so?
select flow, status, max(ended_ns) as ended_ns from runs group by flow, status order by flow, status
