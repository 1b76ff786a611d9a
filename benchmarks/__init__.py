"""How long things take, as ratios to the barest thing of their kind, measured alternately in one run on one machine."""
