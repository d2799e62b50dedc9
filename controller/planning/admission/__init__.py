"""What may be admitted: every rule a Workspace must keep, the defaults it gets, and how a refusal is worded."""
