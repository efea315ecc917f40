"""Verbs over a data set: a file each, whose name is the verb's."""
