-- Which version of each model's codes serves, and what is it made of?
select * from code_versions
qualify row_number() over (partition by model order by chosen_ns desc) = 1
order by model
