-- Of which members are sessions to be formed anew, and what was found in each of their files?
-- Reads `listed`, `compared` (listing_state.sql) and `fingerprints`: the member and file_id of each
-- file that was read. $forming: digest of what sessions and clips are formed by; where it differs
-- from a file's, its session is formed again. $group_by_time: whether sessions of one file may be
-- joined by when they claim to have been made: then places whose recordings overlap are a block, and
-- formed together; one also where a recording that is no more, or stands elsewhere now, overlapped.
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
),
spans as (
    select file_id, min(created_ns) as start_ns, max(created_ns + duration_ns) as end_ns
    from recordings where $group_by_time and created_ns is not null group by 1
),
singles as (
    select place from ranked where is_primary and file_id in (from (select file_id from recordings))
    group by 1 having count(*) = 1 and not starts_with(place, '=')
),
timed as (
    select
        s.start_ns, s.end_ns, case when r.place in (from singles) then r.place end as place,
        r.place in (from touched) as is_touched
    from ranked as r join spans as s using (file_id)
    where r.is_primary and (r.place in (from singles) or r.place in (from touched))
    union all
    select s.start_ns, s.end_ns, null, true
    from compared as c join spans as s using (file_id) where c.state <> 'same'
),
begun as (
    select *, start_ns >= max(end_ns) over (
        order by start_ns, end_ns, place rows between unbounded preceding and 1 preceding
    ) as begins
    from timed
),
islands as (
    select *, count(*) filter (where begins) over (
        order by start_ns, end_ns, place rows between unbounded preceding and current row
    ) as island
    from begun
),
blocks as (
    select place, min(place) over (partition by island) as block,
        bool_or(is_touched) over (partition by island) as is_touched
    from islands
),
blocked as (
    select r.*, coalesce(b.block, r.place) as block, coalesce(b.is_touched, false) as is_near
    from ranked as r left join blocks as b using (place)
)
select
    r.block, r.member, r.size_bytes, r.mtime_ns, r.byte_offset, r.packed, r.hint, r.place, r.file_id, r.is_fresh,
    r.is_primary, r.status, r.session_id, r.forming, r.known_place, r.known_hint,
    coalesce((
        select list({
            recording_id: o.recording_id, stream: o.stream, duration_ns: o.duration_ns,
            bad_spans: o.bad_spans, has_audio: o.has_audio, start_pts: o.start_pts,
            time_base_num: o.time_base_num, time_base_den: o.time_base_den, created_ns: o.created_ns
        } order by o.stream)
        from recordings as o where o.file_id = r.file_id
    ), []) as recordings
from blocked as r
where r.is_near or r.place in (select place from touched)
order by r.block, r.place, r.member
