"""Pictures: files, DICOM, lists of them, and what a user brings."""
