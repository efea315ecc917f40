"""Verbs over a data set: what a work is, and the works themselves, a file of `kinds` each."""
