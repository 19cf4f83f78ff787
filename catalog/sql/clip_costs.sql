-- What does each current clip with codes of a version take in the archive, in its order?
-- $model, $version. A clip's bytes are its share, by time, of its recordings' files.
with embedded as (
    select c.clip_id, list(c.embedding order by c.first_step) as embeddings
    from codes as c
    semi join clip_givens as g on g.clip_id = c.clip_id and g.given = c.given
    where c.model = $model and c.version = $version
    group by c.clip_id
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
