"""Datasets on disk and scenes of our own making."""
