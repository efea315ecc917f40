"""Kinds of sources, a file each: a subclass of `Source` that says what it is made from."""
