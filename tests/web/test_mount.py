"""The pages under a prefix, in an ASGI app of one's own; and what `fq web` prints and refuses."""

import re
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from examples import web as example
from fq import App
from fq.cli import main
from fq.web import web
from fq.web.pages import PAGES
from fq.web.serve import listen
from tests.web.conftest import SAME_SITE

ROOT = Path(__file__).parents[2]


def links(html: str) -> set[str]:
    """Return the paths of this site that *html* names."""
    return {part.partition('"')[0] for name in ("href", "action", "src") for part in html.split(f' {name}="')[1:]} - {"#main"}


def by_hand(app: App):
    """Return an ASGI app that passes a prefix on as other frameworks do: in ``root_path``, with the whole path."""
    inner = web(app, access=lambda _: "all")

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await inner({**scope, "root_path": "/fq"}, receive, send)

    return asgi


@pytest.mark.parametrize("outside", ["starlette", "by hand", "twice"])
def test_under_a_prefix_all_links_and_forms_have_it(memory_app: App, outside: str) -> None:
    inner = web(memory_app, access=lambda _: "all")
    asgi = {
        "starlette": lambda: Starlette(routes=[Mount("/fq", inner)]),
        "by hand": lambda: by_hand(memory_app),
        "twice": lambda: Starlette(routes=[Mount("/fq", Starlette(routes=[Mount("/ops", inner)]))]),
    }[outside]()
    prefix = "/fq/ops" if outside == "twice" else "/fq"
    message_id = "m1"
    http = TestClient(asgi, follow_redirects=False)
    for page in PAGES:
        answer = http.get(f"{prefix}{page.path}?id={message_id}")
        assert answer.status_code in (200, 404)
        assert {link for link in links(answer.text) if not link.startswith(f"{prefix}/")} == set()
        assert not any("//" in link for link in links(answer.text))
    assert http.get(f"{prefix}/static/fq.css").status_code == 200
    moved = http.post(f"{prefix}/act", data={"action": "pause", "id": "mail", "page": "queues"}, headers=SAME_SITE)
    assert moved.headers["location"] == f"{prefix}/queues?done=pause&count=1"


def test_the_example_gives_each_person_what_is_theirs() -> None:
    example.send_mail.send("ann@example.com")
    example.app.run_until_idle()

    def visit(name: str) -> TestClient:
        http = TestClient(example.site)
        assert http.get(f"/login/{name}").status_code == (200 if name in example.ROLES else 403)
        return http

    assert "Requeue all" in visit("ann").get("/fq/").text
    assert "Requeue all" in visit("bob").get("/fq/").text
    assert "Requeue all" not in visit("eve").get("/fq/").text
    assert visit("mallory").get("/fq/").status_code == 403
    order = {"action": "pause", "id": "mail"}
    assert [visit(name).post("/fq/act", data=order, headers=SAME_SITE).status_code for name in ("bob", "eve")] == [403, 403]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an app in it."""
    (tmp_path / "web_tasks.py").write_text("from fq import App\n\napp = App('sqlite:///jobs.db')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "web_tasks", raising=False)
    return tmp_path


def test_the_command_refuses_an_open_host(project: Path) -> None:
    ran = CliRunner().invoke(main, ["web", "web_tasks:app", "--host", "0.0.0.0"])

    assert ran.exit_code == 2
    assert "type --auth USER:PASSWORD" in ran.output


def test_the_command_prints_a_link_with_a_token_or_asks_for_a_login(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fq.web.serve.serve", lambda asgi, listener, started: (listener.close(), started()))
    open_here = CliRunner().invoke(main, ["web", "web_tasks:app", "--port", "0"])
    by_login = CliRunner().invoke(main, ["web", "web_tasks:app", "--port", "0"], env={"FQ_WEB_AUTH": "ann:geheim"})

    assert re.fullmatch(r"fq web of \S+: http://127.0.0.1:[1-9]\d*/\?token=\S{40,}\n", open_here.output)
    assert re.fullmatch(r"fq web of \S+: http://127.0.0.1:[1-9]\d*/\n", by_login.output)


def test_a_port_in_use_is_an_error_that_says_so(project: Path) -> None:
    with closing(listen("127.0.0.1", 0)) as taken:
        ran = CliRunner().invoke(main, ["web", "web_tasks:app", "--port", str(taken.getsockname()[1])])

    assert ran.exit_code == 2
    assert "address already in use; choose another with --host and --port" in ran.output


def test_the_command_says_what_to_install(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("fq.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = CliRunner().invoke(main, ["web", "web_tasks:app"])

    assert (ran.exit_code, "pip install 'fq[web]'" in ran.output) == (1, True)


def test_the_wheel_has_the_pages_and_the_scripts_with_their_licence(tmp_path: Path) -> None:
    hatchling = pytest.importorskip("hatchling.build", reason="hatchling is not installed here: it builds the wheel")
    del hatchling
    built = subprocess.run(
        [sys.executable, "-c", f"import hatchling.build as b; print(b.build_wheel({str(tmp_path)!r}))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(zipfile.ZipFile(tmp_path / built.stdout.strip().splitlines()[-1]).namelist())

    assert {f"fq/web/static/{name}" for name in ("htmx.min.js", "hx-sse.min.js", "htmx.LICENSE.txt", "fq.js", "fq.css")} <= names
    assert {f"fq/web/templates/{page.name}.html" for page in PAGES} <= names


def test_the_scripts_of_others_come_with_their_licence(static: Path) -> None:
    assert "Permission to use, copy, modify, and/or distribute" in (static / "htmx.LICENSE.txt").read_text()
    assert (static / "htmx.min.js").stat().st_size < 40_000
    assert "https://" not in (static / "fq.js").read_text()


def test_a_template_is_short_and_has_no_script_or_style_in_it() -> None:
    for template in (ROOT / "fq" / "web" / "templates").glob("*.html"):
        text = template.read_text()
        assert text.count("\n") < 150, template.name
        assert "|safe" not in text.replace(" ", ""), template.name
        assert "<style" not in text and " style=" not in text and "javascript:" not in text, template.name
        assert text.count("<script ") == text.count("<script src="), template.name
