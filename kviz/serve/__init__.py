"""Serve: the page alive. A session answers asks about a model; an app or a notebook carries them."""
