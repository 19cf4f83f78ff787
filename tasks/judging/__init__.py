"""tasks.judging: scores, baselines and gates that models of several kinds share."""
