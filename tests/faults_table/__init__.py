"""Every row of the table of faults, made to happen on a real control plane with a simulated cloud."""
