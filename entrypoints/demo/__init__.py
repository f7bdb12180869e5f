"""`espalier demo`: the whole service at work on one machine, beside a simulated ESP."""
