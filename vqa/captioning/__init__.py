"""Captions: a decoder with attention over the photo as it writes (Show, Attend and Tell)."""
