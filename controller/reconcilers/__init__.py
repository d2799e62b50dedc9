"""The loops of the workspace operator: the I/O shell around planning."""
