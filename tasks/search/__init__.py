"""tasks.search: finds clips by vectors, and draws where they lie."""
