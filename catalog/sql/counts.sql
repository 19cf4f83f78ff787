-- How many rows has each table, and how many of them are current?
with
    places as materialized (select recording_id from recording_places),
    seen as materialized (select session_id from current_sessions),
    usable as materialized (select clip_id from current_clips),
    counted as (
        select 'files' as name, (select count(*) from current_files) as current, count(*) as rows
        from files
        union all
        select 'recordings', count(*) filter (recording_id in (from places)), count(*)
        from recordings
        union all
        select
            'duplicates',
            count(*) filter (
                recording_id in (from places) and other_id in (from places)
            ),
            count(*)
        from duplicates
        union all
        select 'sessions', (select count(*) from seen), count(*) from sessions
        union all
        select 'shots', (select count(*) from current_shots), count(*) from shots
        union all
        select 'clips', (select count(*) from usable), count(*) from clips
        union all
        select 'labels', count(*) filter (recording_id in (from places)), count(*) from labels
        union all
        select
            'label_spans',
            (select count(*) from current_label_spans where recording_id in (from places)),
            count(*)
        from label_spans
        union all
        select 'actions', count(*) filter (clip_id in (from usable)), count(*) from actions
        union all
        select 'view_versions', count(*), count(*) from view_versions
        union all
        select 'features', count(*) filter (clip_id in (from usable)), count(*) from features
        union all
        select 'codes', (select count(*) from current_codes), count(*) from codes
        union all
        select 'code_versions', count(*), count(*) from code_versions
        union all
        select 'generations', count(*) filter (clip_id in (from usable)), count(*)
        from generations
        union all
        select 'robustness', count(*), count(*) from robustness
        union all
        select 'quarantine', count(*), count(*) from quarantine
        union all
        select 'runs', count(*), count(*) from runs
    )
from counted
