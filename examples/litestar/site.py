"""The site, its tasks, and the routes that show them."""

import os
import secrets
from dataclasses import dataclass

from litestar import Litestar, post
from litestar.params import JSONBody

from fq import App
from fq.asgi import TaskRoutes, TaskView, lifespan
from fq.asgi.litestar import mount

app = App("sqlite:///sums.db")
tasks = TaskRoutes(app, secret=os.environ.get("TASKS_SECRET") or secrets.token_bytes())


@dataclass
class Sum:
    """What a client asks for."""

    numbers: list[int]


@app.actor
async def add_up(order: Sum) -> int:
    """Add the numbers."""
    return sum(order.numbers)


@post("/sums", status_code=202)
async def order_sum(data: JSONBody[Sum]) -> TaskView:
    """Order a sum: the answer comes at once, and says where to look."""
    return await tasks.view(await add_up.asend(data))


site = Litestar([order_sum, mount("/tasks", tasks)], lifespan=[lifespan(app, worker={"threads": 1})])
