-- How many features are there of each view, of the versions named?
-- $views and $versions: two lists of equal length.
select f.view, count(*) filter (where f.absent is null) as features
from features as f
join (select unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version) as wanted
    on f.view = wanted.view and f.version = wanted.version
group by f.view
order by f.view
