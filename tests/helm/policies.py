"""What Kubernetes' NetworkPolicies let through (networking.k8s.io/v1), worked out over rendered manifests."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = dict[str, Any]
Labels = dict[str, str]


@dataclass(frozen=True)
class End:
    """A pod, or with no labels an address outside the cluster."""

    name: str
    labels: Labels = field(default_factory=dict)
    namespace: str = "encore"
    address: str = "192.0.2.1"


def lets_through(policies: list[Policy], source: End, target: End, port: int, protocol: str) -> bool:
    """Whether `source` may open a connection: where policies select an end, one of them must allow the other."""
    return _side(policies, "Egress", "to", source, target, port, protocol) and _side(
        policies, "Ingress", "from", target, source, port, protocol
    )


def _side(policies: list[Policy], kind: str, word: str, own: End, other: End, port: int, protocol: str) -> bool:
    binding = [
        each["spec"]
        for each in policies
        if kind in each["spec"]["policyTypes"] and own.labels and own.namespace == "encore"
        if selects(each["spec"]["podSelector"], own.labels)
    ]
    rules = [rule for spec in binding for rule in spec.get(kind.lower()) or []]
    return not binding or any(_door(rule, port, protocol) and _peer(rule.get(word), other) for rule in rules)


def _door(rule: dict[str, Any], port: int, protocol: str) -> bool:
    doors = rule.get("ports")
    return not doors or any(door["protocol"] == protocol and door.get("port", port) == port for door in doors)


def _peer(peers: list[dict[str, Any]] | None, end: End) -> bool:
    return not peers or any(_matches(peer, end) for peer in peers)


def _matches(peer: dict[str, Any], end: End) -> bool:
    if "ipBlock" in peer:
        address, block = ip_address(end.address), peer["ipBlock"]
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(part) for part in block.get("except", ())
        )
    if not end.labels:
        return False
    near = end.namespace == "encore"
    if "namespaceSelector" in peer:
        near = selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace})
    return near and selects(peer.get("podSelector", {}), end.labels)


def selects(selector: dict[str, Any], labels: Labels) -> bool:
    """Whether a label selector of equalities finds these labels; an empty one finds all."""
    assert set(selector) <= {"matchLabels"}, selector
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
