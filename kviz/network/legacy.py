"""Configs of Keras 1 and 2 made new, before the allow-list and Keras see them."""

from __future__ import annotations

from typing import Any


def made_new(config: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a model's config as Keras 3 writes it, and what was changed, in plain words.

    Args:
        config: the config as its file holds it; `keras_version` among its keys says who wrote it.

    Returns:
        The new config (the same where nothing was to change) and a sentence for each kind of change.
    """
    return config, ()
