-- Which words say how clocks were found?
select clock_status, count(*) as sessions from page_sessions group by all order by all
