"""Campaigns of damaged files, odd questions, bad calls and kills: `python -m tools.torture` runs them."""
