"""Between the messages of `espalier.v1` and the domain's values; generated types stop here."""
