"""The command's client side: every command here talks to the service over its gRPC API alone."""
