"""The reductions, each in a file named after it; what a file here holds is found by its name."""
