"""tasks.codes: makes the codes of clips, refines them, and lets a version of them serve."""
