"""The node operator: Machines and NodeClaims become AKS agent pools."""
