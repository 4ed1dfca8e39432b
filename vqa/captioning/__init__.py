"""Captions: a decoder that looks at the photo's places as it writes (Show, Attend and Tell)."""
