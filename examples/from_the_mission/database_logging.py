"""
A database row for each message: the page's class, with SQLite, and the same in fq's own style.

It prints::

    class style
    divide 1 None
    divide 0 division by zero
    fq's own
    divide 1 None
    divide 0 division by zero
"""

import logging
import sqlite3
import tempfile
import threading
from contextlib import closing
from pathlib import Path

from attrs import frozen

from fq import App, Message, Middleware, Outcome, Step, class_style, compose, default_middleware, hooks

TABLE = "CREATE TABLE IF NOT EXISTS task_log (message_id TEXT, actor_name TEXT, success INTEGER, error TEXT)"
INSERT = "INSERT INTO task_log (message_id, actor_name, success, error) VALUES (?, ?, ?, ?)"


# The page's.
class DatabaseLoggingMiddleware(class_style.Middleware):
    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.execute(TABLE)
        self.lock = threading.Lock()  # one connection, many threads

    def after_process_message(
        self,
        broker: class_style.BrokerView,
        message: class_style.MessageView,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        row = (message.message_id, message.actor_name, exception is None, str(exception) if exception else None)
        with self.lock:
            self.db.execute(INSERT, row)
            self.db.commit()

    def before_worker_shutdown(self, broker: class_style.BrokerView, worker: class_style.WorkerView) -> None:
        with self.lock:
            self.db.close()


# fq's own. It is a value without an open connection, so nothing has to be closed.
@frozen
class DatabaseLog(Step):
    """A row for every message."""

    path: Path

    @classmethod
    def option_names(cls) -> frozenset[str]:
        return frozenset()  # actors cannot choose the path

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        error = None if outcome.error is None else str(outcome.error)
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(TABLE)
            db.execute(INSERT, (message.message_id, message.actor_name, outcome.succeeded, error))
        return outcome


def run(layer: Middleware, path: Path) -> None:
    app = App("memory://", middleware=compose(layer, default_middleware))

    @app.actor(max_retries=0)
    def divide(a: int, b: int) -> float:
        return a / b

    with app.worker(threads=1):
        divide.send(6, 2).get()
        divide.send(6, 0).get()
    with closing(sqlite3.connect(path)) as db:
        for actor_name, success, error in db.execute("SELECT actor_name, success, error FROM task_log"):
            print(actor_name, success, error)


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        print("class style")
        run(hooks(DatabaseLoggingMiddleware(Path(folder, "first.db"))), Path(folder, "first.db"))
        print("fq's own")
        run(DatabaseLog(Path(folder, "second.db")), Path(folder, "second.db"))
