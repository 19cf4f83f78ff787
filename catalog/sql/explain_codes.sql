-- Which codes are there of one clip by one model, given what, and do they serve?
-- $clip_id, $model.
select
    c.version, c.given, count(*) as windows, sum(octet_length(c.data))::bigint as bytes,
    max(c.model_version) as model_version,
    bool_or(c.code_id in (select code_id from current_codes)) as serves,
    any_value(v.model_digest) as model_digest, any_value(v.views) as views,
    any_value(v.windows) as cut, any_value(v.source) as source
from codes as c
left join (select distinct on (model, version) * from code_versions) as v using (model, version)
where c.clip_id = $clip_id and c.model = $model
group by c.version, c.given
order by c.version, c.given
