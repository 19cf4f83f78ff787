-- What did one run do? $flow_run_id.
from runs where flow_run_id = $flow_run_id
