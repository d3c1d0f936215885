"""Sends each case's outcome to the conformance run as a line of JSON on descriptor 3."""

import json
import os

_cases = os.fdopen(3, "w", buffering=1)


def _send(name, outcome, reason=None):
    case = {"name": name, "outcome": outcome}
    if reason:
        case["reason"] = reason[:600]
    _cases.write(json.dumps(case) + "\n")


def pytest_collectreport(report):
    if report.failed:
        _send(report.nodeid, "failed", str(report.longrepr).splitlines()[-1])


def pytest_runtest_logreport(report):
    if report.when == "teardown" and not report.failed:
        return
    name = report.nodeid.split("::", 1)[-1]
    if report.skipped:
        _send(name, "skipped", report.longrepr[2].removeprefix("Skipped: "))
    elif report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        where = f" ({os.path.basename(crash.path)}:{crash.lineno})" if crash else ""
        message = crash.message if crash else str(report.longrepr).splitlines()[-1]
        _send(name, "failed", " ".join(message.split()) + where)
    elif report.when == "call":
        _send(name, "passed")
