-- Which generations have been made?
select generation_id from generations
