"""
fq in an ASGI app: FastAPI, Starlette, Litestar and others. Needs Starlette, which FastAPI has, or the extra ``fq[asgi]``.

`lifespan` opens and closes the broker with the server, and may run a worker in it. `TaskRoutes` shows clients how far a task is, and its result.
"""

from fq.asgi.lifespan import lifespan
from fq.asgi.routes import TaskAccess, TaskRoutes
from fq.asgi.view import TaskProgress, TaskState, TaskView

__all__ = ["TaskAccess", "TaskProgress", "TaskRoutes", "TaskState", "TaskView", "lifespan"]
