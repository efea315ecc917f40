"""How a model runs: the only rooms that know TensorFlow's graph."""
