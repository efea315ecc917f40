"""Images that a network dreams: one ascent, and the verbs on it, a file each."""
