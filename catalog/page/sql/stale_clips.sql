-- How many current clips have no code of the version that serves, of each model that has one?
select
    v.model, (select count(*) from page_clips) - count(distinct c.clip_id) as clips
from (select distinct model from code_versions) as v
left join current_codes as c using (model)
group by v.model
order by v.model
