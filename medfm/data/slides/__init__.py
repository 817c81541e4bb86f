"""Whole slides: pyramids of gigapixel images, read tile by tile."""
