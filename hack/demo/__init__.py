"""The demonstration: one Workspace from `kubectl apply` to Ready, with everything real but the cloud."""
