"""tasks.actions: how a head on the codes learns labels, and what it is judged beside."""
