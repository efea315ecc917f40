"""The folder of results of a run: written shard by shard, resumed, shared, read."""
