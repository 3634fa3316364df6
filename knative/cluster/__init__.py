"""A real cluster, seen through kubectl: what tests and the demo need to know of it."""
