"""Manifests that other programs make."""
