"""What a model is: the `keras.Model`, its preprocessing and its class names."""
