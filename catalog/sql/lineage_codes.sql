-- Which codes were generations made from?
select distinct unnest(codes) as code_id from generations
