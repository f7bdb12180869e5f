"""The migrations, which make and change every database that is not a test's own."""
