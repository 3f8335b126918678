"""
``fq web``: the pages on which a person sees and steers an app, as an ASGI app. Needs the extra ``fq[web]``.

`web` makes it; ``fq.web.pages`` has a file for each page, ``fq.web.templates`` a template. No page changes anything: that is in ``fq.web.actions``.
"""

from fq.web.access import Access, AccessCheck, basic_auth, read_only
from fq.web.asgi import web

__all__ = ["Access", "AccessCheck", "basic_auth", "read_only", "web"]
