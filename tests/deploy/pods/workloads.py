"""What the controllers of Deployments and StatefulSets do next: pure functions of the object and its
pods, so that each call is one look at the cluster."""

import dataclasses
import hashlib
import json
import math


@dataclasses.dataclass
class Step:
    create: list  # of pod names
    delete: list  # of pods


def template_hash(item):
    text = json.dumps(item["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def share(value, replicas, round_up):
    """maxSurge and maxUnavailable: a number, or a percentage of the replicas."""
    if isinstance(value, str):
        exact = int(value.rstrip("%")) * replicas / 100
        return math.ceil(exact) if round_up else math.floor(exact)
    return value


def deployment_step(item, pods, new_name):
    spec, current = item["spec"], template_hash(item)
    replicas = spec.get("replicas", 1)
    staying = [pod for pod in pods if not pod.terminating]
    new = [pod for pod in staying if pod.revision == current]
    old = [pod for pod in staying if pod.revision != current]
    strategy = spec.get("strategy", {})
    if strategy.get("type") == "Recreate" and any(pod.revision != current for pod in pods):
        return Step([], old)
    limits = strategy.get("rollingUpdate", {})
    surge = share(limits.get("maxSurge", "25%"), replicas, True)
    unavailable = share(limits.get("maxUnavailable", "25%"), replicas, False)
    room = min(replicas - len(new), replicas + surge - len(staying))
    create = [new_name() for _ in range(max(room, 0))]
    spare = sum(pod.ready for pod in staying) - (replicas - unavailable)
    delete = [pod for pod in old if not pod.ready]
    delete += [pod for pod in old if pod.ready][:max(spare, 0)]
    return Step(create, delete + new[replicas:])


def stateful_set_step(item, pods):
    spec, current = item["spec"], template_hash(item)
    replicas = spec.get("replicas", 1)
    in_parallel = spec.get("podManagementPolicy") == "Parallel"
    by_ordinal = {int(pod.name.rsplit("-", 1)[1]): pod for pod in pods}
    surplus = [by_ordinal[i] for i in sorted(by_ordinal, reverse=True)
               if i >= replicas and not by_ordinal[i].terminating]
    if surplus:
        return Step([], surplus if in_parallel else surplus[:1])
    create = []
    for ordinal in range(replicas):
        if ordinal not in by_ordinal:
            create.append(f"{item['metadata']['name']}-{ordinal}")
        if not in_parallel and (create or not by_ordinal[ordinal].ready):
            break
    if create or spec.get("updateStrategy", {}).get("type") == "OnDelete":
        return Step(create, [])
    # One after the other, from the last, and only when all that were replaced are ready.
    for ordinal in range(replicas - 1, -1, -1):
        pod = by_ordinal.get(ordinal)
        if pod is None:
            break  # it waits for one before it
        if pod.revision != current:
            return Step([], [] if pod.terminating else [pod])
        if pod.terminating or not pod.ready:
            break
    return Step([], [])
