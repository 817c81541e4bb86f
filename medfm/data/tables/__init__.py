"""Tables: strict CSV reading, encoding, labels, and what a user brings."""
