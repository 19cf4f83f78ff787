-- Which applications made how much?
select application, count(*) as generations from generations group by all order by all
