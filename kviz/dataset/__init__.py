"""A data set through any verb: source, shards, store, reductions; in one process or on Ray."""
