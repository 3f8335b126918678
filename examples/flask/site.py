"""The site, made by a factory."""

from collections.abc import Mapping

from flask import Flask, abort, request, url_for
from flask.typing import ResponseReturnValue

from examples.flask.models import Base, Document, db
from examples.flask.tasks import count_words, queue


def create_app(config: Mapping[str, object] | None = None) -> Flask:
    """Return a new site."""
    site = Flask(__name__)
    site.config.from_mapping(SQLALCHEMY_DATABASE_URI="sqlite:///site.db", FQ_URL="sqlite:///jobs.db", SITE_NAME="Words")
    site.config.from_prefixed_env()  # FLASK_FQ_URL=redis://localhost:6379/0
    site.config.from_mapping(config or {})
    db.init_app(site)
    queue.init_app(site)
    with site.app_context():
        Base.metadata.create_all(db.engine)
    site.post("/documents")(add_document)
    site.get("/documents/<int:number>")(show_document)
    return site


def add_document() -> ResponseReturnValue:
    """Store a text, and let a worker count its words."""
    document = Document(text=request.get_data(as_text=True))
    db.session.add(document)
    db.session.commit()  # before the message: a worker may be quicker than this request
    count_words.send(document.id)
    return {"document": url_for("show_document", number=document.id)}, 202


def show_document(number: int) -> ResponseReturnValue:
    """Say how many words a document has; None as long as they are not counted."""
    document = db.session.get(Document, number)
    return {"words": document.words} if document is not None else abort(404)
