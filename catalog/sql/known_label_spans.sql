-- What do label files say already of these recordings, or did once? $recording_ids.
-- `turn` is even for what holds.
select recording_id, label, start_ns, end_ns, max(coalesce(turn, 0)) as turn
from label_spans
where recording_id in (select unnest($recording_ids::varchar[]))
group by all
