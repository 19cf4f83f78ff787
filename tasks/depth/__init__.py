"""tasks.depth: how the depth network is trained on rendered scenes and judged."""
