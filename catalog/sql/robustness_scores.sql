-- What did one set of weights score under damage, on one set of held-out footage?
-- $model_digest, $judged: those of the table robustness.
select * exclude (flow_run_id, created_ns)
from robustness
where model_digest = $model_digest and judged = $judged
order by application, corruption, severity, scope, session, session_id, method
