"""tasks.sessions: from recordings to sessions, splits and clips."""
