"""
Unique messages: a hundred changes of two documents are indexed twice, and a client that asks again pays once.

``python -m examples.unique`` sends them, with debounce and with an idempotency key, and prints what ran.
"""

from datetime import timedelta

from fq import App, unique

CHANGES_PER_DOCUMENT = 50

app = App("memory://")
indexed: list[tuple[int, int]] = []
rendered: list[tuple[int, int]] = []
paid: list[str] = []


@app.actor(unique(by=("document",), until="start", on_conflict="replace", max_wait=timedelta(minutes=1)))
def index(document: int, version: int) -> None:
    """Index the latest version of a document, once it has not changed for a while."""
    indexed.append((document, version))


@app.actor(unique(by=("document",), on_conflict="after"))
def render(document: int, version: int) -> None:
    """Render a document. Changes that come meanwhile are rendered when this ends, the latest alone."""
    rendered.append((document, version))
    if version == 1:
        for later in range(2, CHANGES_PER_DOCUMENT + 1):
            render.send(document, later)


@app.actor
def pay(order: str) -> str:
    """Charge an order."""
    paid.append(order)
    return f"paid {order}"


def main() -> None:
    """Send all of it, run it, and print what ran."""
    for document in (1, 2):
        for version in range(1, CHANGES_PER_DOCUMENT + 1):
            index.call(document, version).delay(timedelta(seconds=5)).send()
        render.send(document, 1)
    app.run_until_idle()
    print("indexed:", *(f"document {document} in version {version}" for document, version in indexed), sep="\n  ")
    print("rendered:", *(f"document {document} in version {version}" for document, version in sorted(rendered)), sep="\n  ")

    request = pay.call("17").with_id("pay:17", remember=timedelta(days=7))
    request.send()
    app.run_until_idle()
    again = request.send()
    print(f"asked twice, {again.get_result()}, charged {len(paid)} time; a duplicate: {again.is_duplicate}")


if __name__ == "__main__":
    main()
