"""MedFM: medical foundation models, from raw file to explained number."""
