"""The compiled event-driven loops: arrays in, arrays out."""
