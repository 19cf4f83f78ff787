-- How much is there, in numbers?
select
    (select count(*) from page_sessions) as sessions,
    (select count(*) from page_sessions where is_rig) as rigs,
    (select count(*) from page_recordings) as recordings,
    (select count(*) from page_clips) as clips,
    (select coalesce(sum(duration_ns), 0) from page_recordings)::bigint as duration_ns,
    (select coalesce(sum(byte_size), 0) from page_recordings)::bigint as archive_bytes,
    (select coalesce(sum(frames_decoded), 0) from page_recordings)::bigint as frames,
    (select coalesce(sum(frames_bad), 0) from page_recordings)::bigint as frames_bad,
    (select count(*) from features) as features,
    (select count(distinct view) from features) as views,
    (select count(*) from codes) as codes,
    (select count(*) from generations) as generations,
    (select coalesce(sum(bytes), 0) from generations)::bigint as generated_bytes,
    (select count(*) from quarantine) as refusals,
    (select count(*) from runs) as runs
