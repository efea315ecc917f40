"""Serve: the page alive. A session answers asks about a model; a local app or a notebook carries them."""
