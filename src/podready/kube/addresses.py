"""The addresses and names that every local cluster has, chosen as kubeadm chooses them."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final

POD_NETWORK: Final = IPv4Network("10.244.0.0/16")
"""Where pods' addresses come from: what kubeadm and flannel use by custom."""

SERVICE_NETWORK: Final = IPv4Network("10.96.0.0/12")
"""Where Services' addresses come from: kubeadm's default service subnet."""

API_ADDRESS: Final = "10.96.0.1"
"""default/kubernetes: always the network's first address."""

HOST_ADDRESS: Final = "10.96.0.2"
"""This machine, as pods see the ports of it that the project names."""

DNS_ADDRESS: Final = "10.96.0.10"
"""Where pods ask for names: kubeadm's tenth address."""

RESERVED: Final = frozenset({API_ADDRESS, HOST_ADDRESS, DNS_ADDRESS})
"""What no other Service gets."""

CLUSTER_DOMAIN: Final = "cluster.local"
"""The end of every full name of a Service (the kubelet's --cluster-domain by custom)."""

HOST_NAME: Final = "host.podready.internal"
"""The name of HOST_ADDRESS in every pod; compare Docker's host.docker.internal."""
