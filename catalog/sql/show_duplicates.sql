-- Which recordings that are there now show the same footage, the longest overlap first?
-- $limit: rows at most.
select
    one.member, other.member as other,
    round(d.start_ns / 1e9, 3) as start_s, round(d.other_start_ns / 1e9, 3) as other_start_s,
    round((d.end_ns - d.start_ns) / 1e9, 3) as seconds, round(d.score, 3) as score,
    d.recording_id, d.other_id
from duplicates as d
join recording_places as one using (recording_id)
join recording_places as other on other.recording_id = d.other_id
order by d.end_ns - d.start_ns desc, d.score desc, d.recording_id, d.other_id
limit $limit
