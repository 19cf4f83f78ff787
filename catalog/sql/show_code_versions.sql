-- Which version of each model's codes began to serve when, newest first, and what is it made of?
-- $limit: rows at most.
select
    left(cast(make_timestamp_ns(chosen_ns) as varchar), 19) as chosen,
    model || '/' || model_version as model, version, model_digest[:8] as weights,
    windows, source[:8] as source, array_to_string(json_keys(views), ',') as views
from code_versions
order by chosen_ns desc, model
limit $limit
