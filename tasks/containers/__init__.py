"""tasks.containers: what lies between a video's bytes and its frames, for `decode` and `mux`."""
