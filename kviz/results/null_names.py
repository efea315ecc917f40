"""What nulls are called: maps that know nothing, which a method's are compared with."""

# Of random numbers, of the middle, of the photo's edges.
RANDOM, MIDDLE, EDGES = "random", "centre", "edges"
# The map inverted, that of another photo, the map moved to other places.
INVERTED, ANOTHER, MOVED = "inverted", "another photo", "moved"
