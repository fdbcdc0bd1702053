"""Pods of a release speak and are spoken to as the list of arrows says, and not otherwise."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.documents.arrows import EVERY, Arrows, arrows
from tests.helm.conftest import CHART, Render, Resource
from tests.helm.policies import End, Policy, lets_through

ROOT = CHART.parents[1]
SOMEWHERE = 12345

# Who is where in a cluster with the values of ci/everything.yaml.
OUTSIDE = {
    "clients": End("clients", {"app": "proxy"}, namespace="ingress"),
    "postgres": End("postgres", address="10.1.0.7"),
    "kafka": End("kafka", {"strimzi.io/cluster": "encore"}),
    "mlflow": End("mlflow", {"app": "mlflow"}, namespace="mlflow"),
    "store": End("store", address="10.2.0.7"),
    "issuer": End("issuer", address="198.51.100.7"),
    "dns": End("dns", {"k8s-app": "kube-dns"}, namespace="kube-system"),
    "kuberay": End("kuberay", {"app.kubernetes.io/name": "kuberay-operator"}, namespace="ray"),
    "prometheus": End("prometheus", {"app.kubernetes.io/name": "prometheus"}, namespace="monitoring"),
}
STRANGERS = [
    End("neighbour", {"app": "other"}),
    End("another release", {"app.kubernetes.io/name": "encore", "app.kubernetes.io/instance": "other"}),
    End("mlflow of others", {"app": "mlflow"}, namespace="others"),
    End("beside the database", address="10.1.9.7"),
    End("the internet", address="203.0.113.9"),
]


@pytest.fixture(scope="module")
def listed() -> Arrows:
    return arrows(ROOT)


def policies(resources: list[Resource]) -> list[Policy]:
    return [resource for resource in resources if resource["kind"] == "NetworkPolicy"]


def templates(node: Any) -> Iterator[dict[str, Any]]:
    """Every pod template anywhere in a resource."""
    if isinstance(node, list):
        for item in node:
            yield from templates(item)
    elif isinstance(node, dict):
        if "containers" in node.get("spec", {}):
            yield node
        for value in node.values():
            yield from templates(value)


def pods(resources: list[Resource]) -> dict[str, End]:
    """The pods of the release by their component, with the labels that they have."""
    found = {}
    for template in templates(resources):
        labels = template["metadata"]["labels"]
        found[labels["app.kubernetes.io/component"]] = End(labels["app.kubernetes.io/component"], labels)
    return found


def allowed(listed: Arrows, moved: dict[str, int]) -> set[tuple[str, str, int | None, str]]:
    """(from, to, port, protocol) of each arrow, where those outside listen on other ports if they are `moved`."""
    return {
        (source, each.target, moved.get(each.target, each.port or 0) or None, each.protocol)
        for each in listed.every
        for source in (listed.within if each.source == EVERY else (each.source,))
    }


def test_the_list_names_every_pod_of_the_release(render: Render, listed: Arrows) -> None:
    assert set(pods(render())) == set(listed.within)
    assert set(OUTSIDE) == set(listed.outside)


def test_each_arrow_is_let_through_and_nothing_else_is(render: Render, listed: Arrows) -> None:
    resources = render("everything")
    within = pods(resources)
    ends = [*within.values(), *OUTSIDE.values(), *STRANGERS]
    wanted = allowed(listed, {"store": 9000})
    ports = {(port or SOMEWHERE, protocol) for _, _, port, protocol in wanted} | {(SOMEWHERE, "UDP"), (22, "TCP")}
    rules = policies(resources)
    for source in ends:
        for target in ends:
            if source.name not in within and target.name not in within:
                continue
            for port, protocol in ports:
                expected = bool({(source.name, target.name, each, protocol) for each in (port, None)} & wanted)
                got = lets_through(rules, source, target, port, protocol)
                assert got == expected, f"{source.name} to {target.name}, {port}/{protocol}"


def test_where_the_values_do_not_say_where_a_store_is_only_its_port_is_open(render: Render, listed: Arrows) -> None:
    resources = render()
    within, rules, anywhere = pods(resources), policies(resources), End("anywhere", address="203.0.113.9")
    for process in within:
        open_ports = {
            (port, protocol)
            for port in {each.port for each in listed.every if each.port} | {SOMEWHERE}
            for protocol in ("TCP", "UDP")
            if lets_through(rules, within[process], anywhere, port, protocol)
        }
        unlocated = {"postgres", "kafka", "mlflow", "store", "issuer", "dns"}
        assert open_ports == {
            (each.port, each.protocol)
            for each in listed.every
            if each.source in (process, EVERY) and each.target in unlocated
        }
        reached = {port for port in range(1, 10000, 1) if lets_through(rules, anywhere, within[process], port, "TCP")}
        assert reached == ({8080} if process == "gateway" else set())


def test_pods_of_others_are_left_alone(render: Render) -> None:
    rules = policies(render("everything"))
    neighbour, another = STRANGERS[:2]
    assert lets_through(rules, neighbour, another, SOMEWHERE, "TCP")


def test_the_migrations_may_reach_the_database_before_the_rest_of_an_upgrade_is_there(render: Render) -> None:
    (early,) = [each for each in policies(render()) if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    (job,) = [resource for resource in render() if resource["kind"] == "Job"]
    notes = early["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == job["metadata"]["annotations"]["helm.sh/hook"]
    assert int(notes["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"].get("helm.sh/hook-weight", 0))
    assert early["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "migrate"


def test_policies_may_be_left_out(render: Render) -> None:
    assert policies(render()) != []
    assert policies(render("", "--set", "network.policies=false")) == []


@pytest.mark.parametrize("end", ["kuberay", "prometheus"])
def test_nobody_opens_ray_to_everybody_by_an_empty_list(run_helm: Any, end: str) -> None:
    result = run_helm("template", "r", str(CHART), "--set-json", f"network.{end}=[]")
    assert result.returncode != 0
    assert end in result.stderr


def test_the_submitter_is_kept_as_every_other_pod(render: Render) -> None:
    (job,) = [resource for resource in render("everything") if resource["kind"] == "RayJob"]
    spec = job["spec"]["submitterPodTemplate"]["spec"]
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert spec["securityContext"] == head["securityContext"]
    assert spec["imagePullSecrets"] == head["imagePullSecrets"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["image"] == head["containers"][0]["image"]
    assert spec["containers"][0]["securityContext"] == head["containers"][0]["securityContext"]
    assert "command" not in spec["containers"][0]


def test_the_picture_is_the_list(listed: Arrows) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    drawn = re.findall(r'^  (\w+) -- "([^"]+)" --> (\w+)$', text, re.MULTILINE)
    lines = [(source, target, door) for source, doors, target in drawn for door in doors.split(", ")]
    assert sorted(lines) == sorted(
        (each.source, each.target, f"{each.port or 'any'}/{each.protocol}") for each in listed.every
    )
