"""A server for the desk and for small traffic: any export over TensorFlow Serving's REST and gRPC, and a page."""
