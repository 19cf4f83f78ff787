-- Of what was each version of each view made, and how many features has it?
-- $limit: rows at most.
select
    v.view, v.version, v.parameters[:8] as parameters, v.source[:8] as source,
    v.weights[:8] as weights, v.decoder, count(f.clip_id) as features
from view_versions as v
left join features as f using (view, version)
group by all
order by v.view, features desc, v.version
limit $limit
