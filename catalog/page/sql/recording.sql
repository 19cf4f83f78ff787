-- Where is one recording, and what is it? $recording_id.
from page_recordings where recording_id = $recording_id
