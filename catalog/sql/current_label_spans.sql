-- What do label files say that none withdrew since?
select recording_id, label, start_ns, end_ns, source, flow_run_id
from (
    select *, row_number() over (
        partition by recording_id, label, start_ns, end_ns order by coalesce(turn, 0) desc
    ) as back
    from label_spans
)
where back = 1 and coalesce(turn, 0) % 2 = 0
