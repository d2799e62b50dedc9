"""Mutated AdmissionReviews against everything that answers them: `python -m tests.fuzz`."""
