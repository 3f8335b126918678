"""
fq in a Flask site. Needs Flask, or the extra ``fq[flask]``.

`Fq` is an `App` that gets its broker from the configuration of the site, and gives each actor the application context of the site.
"""

from fq.flask.context import SiteContext
from fq.flask.extension import Fq

__all__ = ["Fq", "SiteContext"]
