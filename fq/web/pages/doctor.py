"""Doctor: the findings of ``fq doctor`` about the broker, the queues and the workers."""

from attrs import asdict

from fq.web.site import Page, Query, Site, View

ORDER = {"bad": 0, "warn": 1, "good": 2}


def view(site: Site, _: Query) -> View:
    """Return the findings, the bad ones first."""
    report = site.report.get()
    findings = sorted(report.findings, key=lambda finding: ORDER[finding.level])
    return {"findings": [asdict(finding) for finding in findings], "is_usable": report.is_usable}


DOCTOR = Page("doctor", "/doctor", "Doctor", view, "d", is_live=False)
