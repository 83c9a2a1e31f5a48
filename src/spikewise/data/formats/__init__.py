"""One small reader per file format: a path goes in, checked arrays come out, or a DataError that names the file."""
