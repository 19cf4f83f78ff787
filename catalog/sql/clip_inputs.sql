-- What is there of each current clip for a model that reads features?
-- $views, $versions, $givens: the views it reads, for each a version and what it is given.
-- $model_digest: the model. `given` names the features, null where no picture is among them.
with wanted as (
    select
        unnest($views::varchar[]) as view, unnest($versions::varchar[]) as version,
        unnest($givens::varchar[]) as given
),
seen as (
    select
        c.clip_id,
        md5(string_agg(
            c.camera_id || chr(0) || f.view || chr(0) || f.version || chr(0) || f.given, chr(1)
            order by c.camera_id, f.view
        )) as given,
        bool_or(f.view = 'thumbnail') as has_pictures
    from clip_sources as c
    cross join wanted as w
    join features as f
        on f.clip_id = c.clip_id and f.camera_id = c.camera_id
        and f.view = w.view and f.version = w.version and f.given = c.givens[w.given]
    group by c.clip_id
),
refused as (
    select distinct item_id as clip_id
    from quarantine
    where stage = 'reindex' and kind = 'clip' and version = $model_digest
),
made as (select distinct clip_id, given from codes where model_digest = $model_digest)
select
    c.clip_id, c.session_id, c.start_ns, c.end_ns, len(c.cameras) as cameras,
    case when s.has_pictures then s.given end as given,
    case
        when r.clip_id is not null then 'quarantined'
        when m.clip_id is not null then 'cached'
        when s.has_pictures then 'missing'
        else 'pending'
    end as state
from current_clips as c
left join seen as s using (clip_id)
left join refused as r using (clip_id)
left join made as m on m.clip_id = c.clip_id and m.given = s.given
order by c.session_id, c.start_ns, c.clip_id
