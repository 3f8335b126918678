"""The tasks of the site. They run in its application context, as its views do."""

from flask import current_app

from examples.flask.models import Document, db
from fq.flask import Fq

queue = Fq()


@queue.actor(max_retries=3)
def count_words(document: int) -> int:
    """Count the words of a document, and write the number down. The session is removed afterwards, as after a request."""
    found = db.session.get_one(Document, document)
    found.words = words = len(found.text.split())
    db.session.commit()
    return words


@queue.actor
async def site_name() -> str:
    """Return the name of the site: an async actor has the context, too."""
    return str(current_app.config["SITE_NAME"])
