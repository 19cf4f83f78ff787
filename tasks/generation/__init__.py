"""tasks.generation: plans new video, has it made, and keeps its lineage."""
