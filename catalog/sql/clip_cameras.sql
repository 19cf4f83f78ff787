-- From which bytes is each camera of one clip read? $clip_id.
from clip_sources where clip_id = $clip_id order by camera_id
