"""Compiled loops of unsupervised learning: one step of neurons, one update of weights, one answer."""
