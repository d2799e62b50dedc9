"""Makes the CustomResourceDefinition of Workspaces from one description of its fields and from the table of rules."""
