"""A data set through any verb: sources, shards, a store, and statistics that merge."""
