"""Spiking neural networks that are cheap to train, run and build into hardware, and that tell what they cost."""

__version__ = "0.1.0"
