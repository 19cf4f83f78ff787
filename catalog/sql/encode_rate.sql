-- How long did earlier runs of reindex take for a clip, in seconds of one machine?
select sum(seconds) / nullif(sum(done), 0) as seconds_per_clip
from runs
where flow = 'reindex' and status = 'done' and done > 0
