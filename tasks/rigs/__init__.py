"""tasks.rigs: cameras that belong together: their calibration, and what they say of space."""
