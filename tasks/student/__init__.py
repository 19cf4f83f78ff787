"""tasks.student: how a small model learns from a distiller, and what it is judged by."""
