-- Which current codes of a model are of these sessions? Bytes are read for those alone.
-- $model, $session_ids; $clip_ids: of these clips alone, null for all.
select
    code_id, clip_id, session_id, version, model_version, first_step, steps, start_ns, end_ns,
    cameras, embedding, data
from current_codes
where model = $model and seen > 0
    and session_id in (select unnest($session_ids::varchar[]))
    and ($clip_ids::varchar[] is null or clip_id in (select unnest($clip_ids::varchar[])))
order by session_id, start_ns, clip_id
