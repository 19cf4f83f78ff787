-- Which sides of the split has any session been put on?
select distinct split from sessions
