"""tasks.kernels: the arithmetic of views: depth by geometry, backgrounds, boxes, tokens."""
