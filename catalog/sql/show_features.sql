-- How much has each version of each view said of the clips that are there now?
-- $limit: rows at most.
select
    f.view, f.version, count(*) as features, count(distinct f.clip_id) as clips,
    sum(f.steps)::bigint as steps, sum(octet_length(f.data))::bigint as bytes
from features as f
semi join current_clips using (clip_id)
group by f.view, f.version
order by f.view, features desc, f.version
limit $limit
