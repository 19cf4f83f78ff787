-- What does each current clip with codes of a model that serve take in the archive, in its order?
-- $model. A clip's bytes are its share, by time, of its recordings' files.
with embedded as (
    select clip_id, list(embedding order by first_step) as embeddings
    from current_codes
    where model = $model
    group by clip_id
)
select
    s.clip_id, s.session_id, any_value(s.session_name) as session_name,
    any_value(s.split) as split, any_value(s.start_ns) as start_ns,
    ceil(sum(
        r.byte_size::double * least(1.0, (s.end_ns - s.start_ns) / greatest(r.duration_ns, 1))
    ))::bigint as bytes,
    any_value(e.embeddings) as embeddings
from clip_sources as s
join embedded as e using (clip_id)
join current_recordings as r on r.session_id = s.session_id and r.camera_id = s.camera_id
group by s.clip_id, s.session_id
order by s.session_id, any_value(s.start_ns), s.clip_id
