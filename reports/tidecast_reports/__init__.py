"""Report documents made of plain data, and their renderings."""
