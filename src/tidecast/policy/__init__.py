"""The declarative files: read, validate and hand to the rooms that use them."""
