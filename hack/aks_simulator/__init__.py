"""A strict simulator of the Azure REST surface the provisioner uses: agent pools, machines, operations, vCPU usage.

The rules live in pure functions over frozen values with an explicit `now` (pools, progress, quota, nodes); around them
stand a thin HTTP server and a thin loop that makes the Nodes of a real Kubernetes API server follow the pools.
"""
