"""Compiled loops of the deep networks: flat arrays in, flat arrays out."""
