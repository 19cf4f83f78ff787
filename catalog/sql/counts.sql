-- How many rows has each table, and how much of it is current?
select 'files' as name, (select count(*) from current_files) as current, count(*) as rows from files
union all select 'recordings', (select count(distinct recording_id) from current_recordings), count(*) from recordings
union all select 'sessions', (select count(*) from current_sessions), count(*) from sessions
union all select 'shots', (select count(*) from shots semi join current_sessions using (session_id)), count(*) from shots
union all select 'clips', (select count(*) from current_clips), count(*) from clips
union all select 'features', (select count(*) from features semi join current_clips using (clip_id)), count(*) from features
union all select 'generations', (select count(*) from generations semi join current_clips using (clip_id)), count(*) from generations
union all select 'quarantine', count(*), count(*) from quarantine
union all select 'runs', count(*), count(*) from runs
