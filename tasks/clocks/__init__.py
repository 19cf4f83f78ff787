"""tasks.clocks: one clock for the cameras of a session, by what they see and hear."""
