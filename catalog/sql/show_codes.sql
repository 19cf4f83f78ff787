-- How many windows of how many clips has each version of each model encoded, and does it serve?
-- $limit: rows at most.
select
    c.model || '/' || max(c.model_version) as model, c.version, count(*) as codes,
    count(distinct c.clip_id) as clips,
    count(*) filter (c.code_id in (select code_id from current_codes)) as current,
    sum(octet_length(c.data))::bigint as bytes,
    round(avg(octet_length(c.data)), 1) as bytes_each,
    round(avg(c.bits) / 8, 1) as estimated_each
from codes as c
group by c.model, c.version
order by current desc, codes desc, c.version
limit $limit
