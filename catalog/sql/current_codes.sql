-- Which codes can be used now? Of current clips, those of the version that serves of each model.
select c.*
from codes as c
join (
    select model, arg_max(version, chosen_ns) as version from code_versions group by model
) as serving using (model, version)
semi join clip_givens as g on g.clip_id = c.clip_id and g.given = c.given
