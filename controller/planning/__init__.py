"""Pure decisions: what fits, which claims and objects should exist, what the status says."""
