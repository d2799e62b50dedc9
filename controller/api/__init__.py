"""Facts and typed views: labels, reasons, conditions, Workspace, claims. Imports nothing of the project."""
