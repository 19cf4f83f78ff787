"""tasks.extraction: every missing view of a clip by one decode, and pictures of it."""
