"""A data set through any verb: sources, shards, a store of results."""
