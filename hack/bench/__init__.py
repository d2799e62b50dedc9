"""Benchmarks: what an answer costs, measured on the machine they run on."""
