"""From tiles to figures, tables, pages and films."""
