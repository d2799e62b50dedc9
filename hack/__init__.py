"""Developer tools: local control plane, AKS simulator, demo, generators. Not part of the product."""
