"""Reports: what the verbs find out about a model and photos, as one HTML file."""
