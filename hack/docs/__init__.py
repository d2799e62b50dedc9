"""Writes the pages under docs/ that follow from data and code, so that they cannot fall behind."""
