"""A local Kubernetes control plane of real binaries, with Pods that live and our programs beside it.

`python -m hack.devcluster up` starts etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, and when
asked the project's own programs and the AKS simulator. One supervisor process owns all of them; when it goes, they go.
"""
