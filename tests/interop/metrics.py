"""What /metrics shows, read by Prometheus's own parsers for Python: metrics.py HOST:PORT [NAME{LABEL="VALUE"}>=N]...

Both forms are read whole and have to tell the same families; each condition names a sample and the least value it has."""
import sys
import urllib.request

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

OPEN = "application/openmetrics-text; version=1.0.0"


def fetch(address, accept):
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Content-Type"], response.read().decode()


def families(address):
    kind, text = fetch(address, "text/plain")
    assert kind.startswith("text/plain; version=0.0.4"), kind
    old = {family.name: family for family in parser.text_string_to_metric_families(text)}
    kind, text = fetch(address, OPEN)
    assert kind.startswith("application/openmetrics-text; version=1.0.0"), kind
    new = {family.name: family for family in openmetrics_parser.text_string_to_metric_families(text)}
    # The old form has no info: it is a gauge with the name of its sample.
    infos = {name for name, family in new.items() if family.type == "info"}
    named = {f"{name}_info" if name in infos else name for name in new}
    assert named == set(old), named ^ set(old)
    for family in new.values():
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        if family.name.endswith("_seconds"):
            assert family.unit == "seconds", family.name
    return old


def main(address, conditions):
    found = families(address)
    samples = [sample for family in found.values() for sample in family.samples]
    for condition in conditions:
        wanted, least = condition.rsplit(">=", 1)
        name, _, labels = wanted.partition("{")
        labels = dict(pair.split("=") for pair in labels.rstrip("}").replace('"', "").split(",") if pair)
        value = sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())
        assert value >= float(least), f"{wanted} is {value}, not {least} or more"
    print(f"{len(found)} families, {len(samples)} samples, {len(conditions)} conditions hold")


main(sys.argv[1], sys.argv[2:])
