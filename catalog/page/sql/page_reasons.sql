-- How often was what refused for which reason?
select stage, reason, count(*) as refusals, sum(frames)::bigint as frames, max(seen_ns) as seen_ns
from page_quarantine
group by stage, reason
order by refusals desc, stage, reason
