-- Which flows have run how often?
select flow, count(*) as runs from runs group by flow order by flow
