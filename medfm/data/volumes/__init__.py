"""Volumes: NIfTI and its kin, DICOM series, grids in mm, and masks back."""
