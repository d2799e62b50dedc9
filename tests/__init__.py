"""The specifications of the project, runnable."""
