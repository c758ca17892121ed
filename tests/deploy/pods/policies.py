"""Which pods a selector means, and what NetworkPolicies make of the pods that there are."""

from network import PodRules

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def selects(selector, labels):
    """A label selector; None selects nothing, an empty one everything."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for need in selector.get("matchExpressions", []):
        value = labels.get(need["key"])
        holds = {"In": value in need.get("values", []),
                 "NotIn": value not in need.get("values", []),
                 "Exists": value is not None,
                 "DoesNotExist": value is None}[need["operator"]]
        if not holds:
            return False
    return True


def peers(rule_peers, pods, namespace):
    """The addresses that a rule's `from` or `to` means; None for everybody."""
    if not rule_peers:
        return None
    found = []
    for peer in rule_peers:
        if "ipBlock" in peer:
            found.append(peer["ipBlock"]["cidr"])
            continue
        other = peer.get("namespaceSelector")
        if other is not None and not selects(other, {NAMESPACE_LABEL: namespace}):
            continue
        found += [pod.address for pod in pods if selects(peer.get("podSelector", {}), pod.labels)]
    return found


def ports(rule_ports):
    """nftables' words for the `ports` of a rule, one for each."""
    if not rule_ports:
        return [""]
    words = []
    for port in rule_ports:
        first = port["port"]
        last = port.get("endPort", first)
        words.append(f"{port.get('protocol', 'TCP').lower()} dport {first}-{last}")
    return words


def pod_rules(policies, pods, namespace):
    """The rules of every pod that some policy isolates."""
    rules = []
    for pod in pods:
        own = [policy["spec"] for policy in policies
               if selects(policy["spec"]["podSelector"], pod.labels)]
        for kind, other in (("Ingress", "from"), ("Egress", "to")):
            isolating = [spec for spec in own if kind in spec["policyTypes"]]
            if not isolating:
                continue
            rule = PodRules(pod.address, kind == "Ingress")
            for allowed in (item for spec in isolating for item in spec.get(kind.lower()) or []):
                hosts = peers(allowed.get(other), pods, namespace)
                if hosts != []:
                    rule.allowed += [(hosts, words) for words in ports(allowed.get("ports"))]
            rules.append(rule)
    return rules
