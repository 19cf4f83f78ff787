-- How does each model stand under each damage, newest first: its mean over sessions, and before?
-- $limit: rows at most.
select
    model || '/' || any_value(model_version) as model, application, corruption, severity, scope,
    method, measure, round(avg(value), 3) as value, round(avg(undamaged), 3) as undamaged,
    sum(pieces) as pieces, any_value(absent) as absent
from robustness
group by model, model_digest, judged, application, corruption, severity, scope, method, measure
order by max(created_ns) desc, model, application, corruption, severity, method
limit $limit
