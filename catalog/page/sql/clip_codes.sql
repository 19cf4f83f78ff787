-- Which codes were made of one clip?
-- $clip_id; $session_id: where to look.
select
    model, any_value(model_version) as model_version, version, count(*) as windows,
    sum(octet_length(data))::bigint as bytes, sum(bits) as bits
from codes
where session_id = $session_id and clip_id = $clip_id
group by model, version
order by model, model_version desc
