"""What hands out shards to other processes than this one."""
