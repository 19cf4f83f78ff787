"""tasks.style: how a network learns to paint from a teacher, and what it is judged by."""
