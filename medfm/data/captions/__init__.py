"""Pictures with a text each: two inputs side by side."""
