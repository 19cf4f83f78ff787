"""tasks.manifold: how the encoder of a manifold is made and judged."""
