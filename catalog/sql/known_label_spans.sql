-- What do label files say already of these recordings? $recording_ids.
select recording_id, label, start_ns, end_ns
from label_spans
where recording_id in (select unnest($recording_ids::varchar[]))
