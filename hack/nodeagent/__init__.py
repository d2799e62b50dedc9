"""A node of the local control plane on which our own pods really run, as processes: a test tool, no kubelet.

Pods come from applied Deployments, through scheduler and admission. Each becomes one process with its command, its
arguments, its environment, its Secrets and its token, is probed as its manifest says, and is asked to end and killed as
its manifest says. Services are forwarded to ready endpoints. What a network namespace and a mount namespace would do is
done by addresses of the loopback interface and by paths.
"""
