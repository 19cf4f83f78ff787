-- Why were things refused, and how many?
select stage, kind, reason, count(*) as items, sum(frames)::bigint as frames
from quarantine
group by stage, kind, reason
order by stage, items desc, reason
