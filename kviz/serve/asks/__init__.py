"""What can be asked: a file an ask, whose name is the ask's, and which holds its class."""
