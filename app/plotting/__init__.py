"""Figures; no other room imports matplotlib."""
