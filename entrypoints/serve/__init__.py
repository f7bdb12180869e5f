"""`espalier serve`: the API, callbacks, the folding of events, and the dispatchers beside it."""
