-- Which codes serve? Of each current clip those of its newest model, of what was seen last.
select * from codes
semi join current_clips using (clip_id)
qualify dense_rank() over (
    partition by clip_id order by model_version desc, created_ns desc, given
) = 1
