-- What is one session? $session_id.
from page_sessions where session_id = $session_id
