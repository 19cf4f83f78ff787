"""tasks.runs: what a flow run records and shows, and whether machine and services are well."""
