"""tasks.synthesis: how several bad sources become one picture: training, judging, peers."""
