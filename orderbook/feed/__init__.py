"""The live feed: the only place that waits."""
