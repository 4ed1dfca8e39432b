"""Measurements of models of others."""
