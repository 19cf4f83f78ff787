-- Of how many clips has each version of each model made codes?
-- $limit: rows at most.
select
    k.model, k.model_version as version, k.model_digest[:12] as digest,
    count(distinct k.clip_id) as clips, count(*) as windows,
    count(*) filter (c.code_id is not null) as serving,
    sum(octet_length(k.data))::bigint as bytes
from codes as k
left join current_codes as c using (code_id)
group by k.model, k.model_version, k.model_digest
order by k.model, k.model_version desc
limit $limit
