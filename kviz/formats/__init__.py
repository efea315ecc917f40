"""Files of images to pixels: a look at what a file says, a reader a kind, and how a photo is fitted."""
