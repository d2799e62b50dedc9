"""The admission server: defaults, validation, certificates."""
