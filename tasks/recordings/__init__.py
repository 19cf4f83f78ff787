"""tasks.recordings: where a recording's bytes are; its sound, words and single pictures."""
