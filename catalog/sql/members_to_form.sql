-- Of which members are sessions to be formed anew, and what was found in each of their files?
-- Reads `listed`, `compared` (listing_state.sql) and `fingerprints`: the member and file_id of each
-- file that was read. $forming: digest of what sessions and clips are formed by; where it differs
-- from a file's, its session is formed again.
with now as (
    select
        l.*, c.status, c.session_id, c.forming, c.known_place, c.known_hint,
        f.member is not null as is_fresh,
        coalesce(f.file_id, c.file_id) as file_id,
        -- The member that stands for its content goes on doing so.
        c.status = 'present' and c.file_id = coalesce(f.file_id, c.file_id) as stood
    from listed as l
    join compared as c using (member)
    left join fingerprints as f using (member)
    where coalesce(f.file_id, c.file_id) is not null
),
ranked as (
    select
        *, row_number() over (partition by file_id order by stood desc, member) = 1 as is_primary
    from now
),
moved as (
    select file_id from fingerprints
    union
    select file_id from compared where state <> 'same' and file_id is not null
),
touched as (
    select place from now
    where is_fresh or forming is distinct from $forming
        or place is distinct from known_place or hint is distinct from known_hint
        or file_id in (from moved)
    union
    select known_place from compared where state = 'gone' or place <> known_place
    union
    select c.known_place from compared as c join fingerprints as f using (member)
)
select
    r.member, r.size_bytes, r.mtime_ns, r.byte_offset, r.packed, r.hint, r.place, r.file_id, r.is_fresh,
    r.is_primary, r.status, r.session_id, r.forming, r.known_place, r.known_hint,
    coalesce((
        select list({
            recording_id: o.recording_id, stream: o.stream, duration_ns: o.duration_ns,
            bad_spans: o.bad_spans, has_audio: o.has_audio, start_pts: o.start_pts,
            time_base_num: o.time_base_num, time_base_den: o.time_base_den
        } order by o.stream)
        from recordings as o where o.file_id = r.file_id
    ), []) as recordings
from ranked as r
where r.place in (select place from touched)
order by r.place, r.member
