"""Golden facts of the rendered chart: which processes there are, what they are told, and how they are kept."""

import ast
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import HTTPOptionsSchema

from infra.documents.settings import classes, settings_of
from schemas import topics
from services.aggregator.archive import ArchiveSettings
from tests.helm.conftest import CHART, Render, Resource

ROOT = CHART.parents[1]
SECRETS = {"ENCORE_POSTGRES_DSN", "ENCORE_ARM_SALT", "ENCORE_MLFLOW_PASSWORD", "ENCORE_ENGINE_TOKEN"}
PROCESSES = {"gateway", "aggregator", "rollout", "engine", "factory", "migrate", "archive"}


def named(resources: list[Resource], kind: str) -> dict[str, Resource]:
    return {resource["metadata"]["name"]: resource for resource in resources if resource["kind"] == kind}


def pods(resources: list[Resource]) -> dict[str, list[dict[str, Any]]]:
    """The pod specs of each process, by its component label."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        component = resource["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")
        for template in _templates(resource.get("spec", {})):
            found.setdefault(component, []).append(template["spec"])
    return found


def _templates(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [template for item in node for template in _templates(item)]
    if not isinstance(node, dict):
        return []
    if "containers" in node.get("template", {}).get("spec", {}):
        return [node["template"]]
    return [template for value in node.values() for template in _templates(value)]


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    return dict(only)


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """What a pod's container is told; a reference to a Secret counts as a text."""
    return {entry["name"]: entry.get("value", "a-secret-of-the-cluster") for entry in container(pod)["env"]}


def documented_commands() -> dict[str, str]:
    """Process to command, from the table of docs/architecture.md."""
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| (?:\(job\) )?(\w+) \| `(python -m [\w.]+)` \|", text, re.MULTILINE)
    return dict(rows)


def test_every_process_of_the_architecture_is_rendered_with_its_command(render: Render) -> None:
    documented = documented_commands()
    assert set(documented) == PROCESSES
    resources = render()
    assert set(pods(resources)) == PROCESSES
    for process in ("gateway", "aggregator", "rollout", "migrate", "archive"):
        (pod,) = pods(resources)[process]
        assert " ".join(container(pod)["command"]) == documented[process]
    (job,) = named(resources, "RayJob").values()
    assert job["spec"]["entrypoint"] == documented["factory"]


def test_each_process_has_the_image_of_its_own_dependency_group(render: Render) -> None:
    groups = {"engine": "serving", "factory": "training"}
    for process, specs in pods(render("everything")).items():
        image = f"registry.example/music/encore-{groups.get(process, 'services')}:1.2.3"
        assert {container(spec)["image"] for spec in specs} == {image}
        assert all(spec["imagePullSecrets"] == [{"name": "pull"}] for spec in specs)


def test_nobody_is_root_and_nobody_talks_to_kubernetes(render: Render) -> None:
    for process, specs in pods(render()).items():
        for spec in specs:
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["automountServiceAccountToken"] is False
            security = container(spec)["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["readOnlyRootFilesystem"] is (process not in {"engine", "factory"})


def test_every_container_says_what_it_needs(render: Render) -> None:
    for specs in pods(render()).values():
        for spec in specs:
            resources = container(spec)["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"])
            assert "memory" in resources["limits"]


def test_deployments_are_probed_where_their_process_answers(render: Render) -> None:
    paths = {"gateway": ("/health", "/ready"), "aggregator": ("/metrics",) * 2, "rollout": ("/metrics",) * 2}
    specs = pods(render())
    for process, (live, ready) in paths.items():
        probed = container(specs[process][0])
        ports = {port["name"] for port in probed["ports"]}
        assert probed["livenessProbe"]["httpGet"]["path"] == live
        assert probed["readinessProbe"]["httpGet"]["path"] == ready
        assert probed["startupProbe"]["httpGet"]["port"] in ports


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_what_a_process_is_told_makes_its_settings(
    render: Render, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = classes(ROOT) | {"archive": ArchiveSettings}
    kind = shared.get(process, shared["services"])
    for spec in pods(render())[process]:
        told = environment(spec)
        for variable in [setting.variable for setting in settings_of(kind)]:
            monkeypatch.delenv(variable, raising=False)
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        read = kind()
        assert set(told) <= {setting.variable for setting in settings_of(kind)}
        for name, value in told.items():
            field = str(getattr(read, name.removeprefix("ENCORE_").lower()))
            assert field in {value, f"{value}.0", "**********"}, name


def test_secrets_come_by_reference_only(render: Render) -> None:
    for specs in pods(render()).values():
        for spec in specs:
            for entry in container(spec)["env"]:
                if entry["name"] in SECRETS:
                    assert entry["valueFrom"]["secretKeyRef"]["name"] == "encore"
    assert not named(render("everything"), "Secret")


def test_each_process_logs_in_at_the_database_as_itself(render: Render) -> None:
    keys: dict[str, set[str]] = {}
    for component, specs in pods(render()).items():
        for spec in specs:
            for entry in container(spec)["env"]:
                if entry["name"] == "ENCORE_POSTGRES_DSN":
                    keys.setdefault(component, set()).add(entry["valueFrom"]["secretKeyRef"]["key"])
    own = {name: {f"{name}-dsn"} for name in ("gateway", "aggregator", "rollout", "factory")}
    assert keys == own | {"migrate": {"postgres-dsn"}, "archive": {"aggregator-dsn"}}


def test_each_process_logs_in_at_mlflow_as_itself_where_mlflow_asks(render: Render) -> None:
    for values, expected in (("", {}), ("everything", {"rollout": "rollout-mlflow", "factory": "factory-mlflow"})):
        keys = {}
        for component, specs in pods(render(values)).items():
            for told in (told for spec in specs for told in container(spec)["env"]):
                if told["name"] == "ENCORE_MLFLOW_PASSWORD":
                    keys[component] = told["valueFrom"]["secretKeyRef"]["key"]
                if told["name"] == "ENCORE_MLFLOW_USERNAME":
                    assert told["value"] == component
        assert keys == expected


def test_who_calls_the_engine_has_its_token_and_nobody_else(render: Render) -> None:
    arrows = yaml.safe_load((CHART / "files/arrows.yaml").read_text())
    callers = {arrow["from"] for arrow in arrows["arrows"] if (arrow["to"], arrow["port"]) == ("engine", 8000)}
    holders = {
        component
        for component, specs in pods(render()).items()
        for spec in specs
        if "ENCORE_ENGINE_TOKEN" in {entry["name"] for entry in container(spec)["env"]}
    }
    assert holders == {"engine", *callers & set(arrows["within"])} == {"engine", "gateway", "rollout"}


def test_each_process_logs_in_at_kafka_as_itself(render: Render) -> None:
    for values in ("", "everything"):
        found: dict[str, set[str]] = {}
        for component, specs in pods(render(values)).items():
            for entry in (entry for spec in specs for entry in container(spec)["env"]):
                if entry["name"] == "ENCORE_KAFKA_BOOTSTRAP":
                    known = entry.get("value") or entry["valueFrom"]["secretKeyRef"]["key"]
                    found.setdefault(component, set()).add(known)
        processes = ("gateway", "aggregator", "rollout")
        plain = "encore-kafka-bootstrap:9092"
        assert found == {name: {f"{name}-kafka" if values else plain} for name in processes}


def test_who_speaks_to_kafka_is_given_the_authority_of_its_certificates(render: Render) -> None:
    for values, expected in (("", set()), ("everything", {"gateway", "aggregator", "rollout"})):
        found = set()
        for component, specs in pods(render(values)).items():
            for spec in specs:
                volumes = {volume["name"]: volume.get("secret", {}) for volume in spec.get("volumes", ())}
                mounts = {mount["name"]: mount["mountPath"] for mount in container(spec).get("volumeMounts", ())}
                if "kafka" in volumes:
                    assert volumes["kafka"]["secretName"] == "encore-cluster-ca-cert"
                    assert [item["path"] for item in volumes["kafka"]["items"]] == ["ca.crt"]
                    assert mounts["kafka"] == "/kafka"
                    found.add(component)
        assert found == expected


def test_only_processes_that_open_the_blob_store_get_its_credentials(render: Render) -> None:
    for process, specs in pods(render("everything")).items():
        for spec in specs:
            expected = [{"secretRef": {"name": "encore-store"}}] if "ENCORE_STORE_URL" in environment(spec) else None
            assert container(spec).get("envFrom") == expected, process


def test_the_gateway_asks_the_service_that_kuberay_makes_for_the_engine(render: Render) -> None:
    resources = render()
    (engine,) = named(resources, "RayService")
    config = yaml.safe_load(named(resources, "RayService")[engine]["spec"]["serveConfigV2"])
    url = environment(pods(resources)["gateway"][0])["ENCORE_ENGINE_URL"]
    assert url == f"http://{engine}-serve-svc:{config['http_options']['port']}"


def test_an_engine_with_a_certificate_is_asked_by_https_and_believed_by_its_authority(render: Render) -> None:
    specs = pods(render("everything"))
    for component in ("gateway", "rollout"):
        told = environment(specs[component][0])
        assert told["ENCORE_ENGINE_URL"].startswith("https://")
        assert _mounted(specs[component][0], told["ENCORE_ENGINE_AUTHORITY"]) == "encore-engine-authority"
    (service,) = named(render("everything"), "RayService").values()
    options = HTTPOptionsSchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"])["http_options"])
    for spec in specs["engine"]:
        assert _mounted(spec, options.ssl_certfile) == _mounted(spec, options.ssl_keyfile) == "encore-engine-tls"


def _mounted(pod: dict[str, Any], path: str) -> str:
    """The name of the Secret whose file this is."""
    volumes = {mount["mountPath"]: mount["name"] for mount in container(pod)["volumeMounts"]}
    name = volumes[str(Path(path).parent)]
    (secret,) = (volume["secret"]["secretName"] for volume in pod["volumes"] if volume["name"] == name)
    return str(secret)


def test_the_engine_is_imported_from_a_builder_that_exists(render: Render) -> None:
    (service,) = named(render(), "RayService").values()
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    module, _, name = application["import_path"].partition(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_an_engine_on_gpus_is_told_so(render: Render) -> None:
    told = {environment(spec)["ENCORE_ENGINE_DEVICE"] for spec in pods(render("everything"))["engine"]}
    assert told == {"cuda"}


def test_autoscaling_of_engines_is_told_only_where_it_is_asked_for(render: Render) -> None:
    told = [environment(spec) for spec in pods(render("everything"))["engine"]]
    assert {env["ENCORE_ENGINE_MAX_REPLICAS"] for env in told} == {"4"}
    assert {env["ENCORE_ENGINE_TARGET_REQUESTS"] for env in told} == {"6"}
    assert not any("ENCORE_ENGINE_MAX_REPLICAS" in environment(spec) for spec in pods(render())["engine"])


def test_ray_is_the_version_of_the_images(render: Render) -> None:
    for lock in ("serving", "training"):
        text = (ROOT / f"infra/locks/{lock}.txt").read_text()
        pinned = re.search(r"^ray(?:\[[\w,]+\])?==([\d.]+)", text, re.MULTILINE)
        assert pinned is not None
        resources = render()
        (service,), (job,) = named(resources, "RayService").values(), named(resources, "RayJob").values()
        assert service["spec"]["rayClusterConfig"]["rayVersion"] == pinned.group(1)
        assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned.group(1)


def test_ray_asks_for_its_token(render: Render) -> None:
    resources = render()
    (service,), (job,) = named(resources, "RayService").values(), named(resources, "RayJob").values()
    for cluster in (service["spec"]["rayClusterConfig"], job["spec"]["rayClusterSpec"]):
        assert cluster["authOptions"] == {"mode": "token"}


def test_migrations_run_before_everything_and_need_nothing_of_the_chart(render: Render) -> None:
    (job,) = named(render(), "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    spec = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in spec
    assert "volumes" not in spec
    assert "envFrom" not in container(spec)


def test_months_are_archived_on_a_schedule_by_one_job_at_a_time(render: Render) -> None:
    (job,) = named(render(), "CronJob").values()
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("30 3 * * *", "Etc/UTC")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    (pod,) = pods(render())["archive"]
    assert environment(pod)["ENCORE_EVENTS_KEPT_MONTHS"] == "14"


def test_a_second_rollout_stands_by_and_both_hold_out_whom_the_gateway_does(render: Render) -> None:
    deployments = named(render(), "Deployment")
    assert deployments["r-encore-rollout"]["spec"]["replicas"] == 2
    shares = [
        {each["name"]: each.get("value") for each in container["env"]}["ENCORE_HOLDOUT_SHARE"]
        for name in ("gateway", "rollout")
        for container in deployments[f"r-encore-{name}"]["spec"]["template"]["spec"]["containers"]
    ]
    assert shares == ["0.05", "0.05"]


def test_the_autoscaler_and_a_fixed_number_exclude_each_other(render: Render) -> None:
    scaled, fixed = render(), render("fixed-gateway")
    assert "replicas" not in named(scaled, "Deployment")["r-encore-gateway"]["spec"]
    assert named(scaled, "HorizontalPodAutoscaler")["r-encore-gateway"]["spec"]["minReplicas"] == 2
    assert named(fixed, "Deployment")["r-encore-gateway"]["spec"]["replicas"] == 3
    assert not named(fixed, "HorizontalPodAutoscaler")


def test_the_topics_are_those_of_the_contract(render: Render) -> None:
    found = named(render("everything"), "KafkaTopic")
    assert {name: topic["spec"]["config"]["retention.ms"] for name, topic in found.items()} == topics.RETENTION_MS
    assert {topic["spec"]["partitions"] for topic in found.values()} == {topics.PARTITIONS}
    assert {topic["spec"]["config"]["min.insync.replicas"] for topic in found.values()} == {
        topics.minimum_in_sync(topic["spec"]["replicas"]) for topic in found.values()
    }
    assert all(topic["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for topic in found.values())


def test_the_gateway_is_told_of_an_identity_provider_where_there_is_one(render: Render) -> None:
    told = environment(pods(render("everything"))["gateway"][0])
    assert told["ENCORE_OIDC_ISSUER"] == "https://login.example.org"
    assert told["ENCORE_OIDC_GROUPS"] == "music-ops=operator;data-science=analyst"
    assert not any(name.startswith("ENCORE_OIDC") for name in environment(pods(render())["gateway"][0]))


def test_half_an_identity_provider_is_refused(run_helm: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    result = run_helm("template", "r", str(CHART), "--set", "oidc.issuer=https://login.example.org")
    assert result.returncode != 0
    assert "jwksUrl" in result.stderr


def test_nothing_optional_is_there_unasked(render: Render) -> None:
    kinds = {resource["kind"] for resource in render()}
    assert not kinds & {"KafkaTopic", "ServiceMonitor", "PodMonitor", "PrometheusRule", "Ingress", "ConfigMap"}


def test_strangers_are_led_to_the_gateway_alone(render: Render) -> None:
    resources = render("everything")
    (ingress,) = named(resources, "Ingress").values()
    backends = [path["backend"]["service"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
    assert backends == [{"name": "r-encore-gateway", "port": {"name": "http"}}]
    assert {service["spec"].get("type", "ClusterIP") for service in named(resources, "Service").values()} == {
        "ClusterIP"
    }


def test_every_process_is_scraped_on_a_port_that_it_has(render: Render) -> None:
    resources = render("everything")
    monitors = named(resources, "ServiceMonitor") | named(resources, "PodMonitor")
    assert {name.removeprefix("r-encore-") for name in monitors} == PROCESSES - {"migrate", "archive"}
    specs = pods(resources)
    for name, monitor in monitors.items():
        spec = monitor["spec"]
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        wanted = {endpoint["port"] for endpoint in spec.get("endpoints") or spec["podMetricsEndpoints"]}
        offered = {port["name"] for pod in specs[name.removeprefix("r-encore-")] for port in container(pod)["ports"]}
        assert wanted <= offered


def test_selectors_find_the_pods_they_mean(render: Render) -> None:
    resources = render("everything")
    for deployment in named(resources, "Deployment").values():
        chosen = deployment["spec"]["selector"]["matchLabels"]
        assert chosen.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        assert chosen["app.kubernetes.io/component"] in PROCESSES
    for service in named(resources, "Service").values():
        assert service["spec"]["selector"]["app.kubernetes.io/component"] in PROCESSES


def test_the_factory_keeps_its_checkpoints_on_a_volume_of_all_its_pods(render: Render) -> None:
    for values, claim in (("", "r-encore-factory"), ("everything", "checkpoints")):
        resources = render(values)
        assert (claim in named(resources, "PersistentVolumeClaim")) is (values == "")
        for spec in pods(resources)["factory"]:
            folder = environment(spec)["ENCORE_FACTORY_FOLDER"]
            (mount,) = (m for m in container(spec)["volumeMounts"] if m["mountPath"] == folder)
            (volume,) = (v for v in spec["volumes"] if v["name"] == mount["name"])
            assert volume["persistentVolumeClaim"]["claimName"] == claim


def test_no_template_is_long() -> None:
    for file in Path(CHART / "templates").rglob("*.yaml"):
        assert len(file.read_text().splitlines()) <= 120, file
