"""`Middleware`, the base class of class-style middleware: every hook, when it is called, and in which thread."""

import threading
from collections.abc import Callable

from fq.class_style.actor_view import ActorView
from fq.class_style.broker_view import BrokerView, WorkerView
from fq.class_style.message_view import MessageView


class Middleware:
    """
    Override the hooks that you need, and put ``hooks(YourMiddleware())`` into a stack. Hooks that are not with_options cost nothing.

    With several middlewares, the ``before_`` hooks run from the outermost to the innermost, the ``after_`` hooks in reverse.

    For a message the order is: `before_process_message`, the actor, `after_process_message` or `after_skip_message`; before the commit
    `before_ack` or `before_nack`; after the commit `after_ack` or `after_nack`. All of them get the same *message*.

    >>> from fq import App, compose, default_middleware, hooks
    >>> class Audit(Middleware):
    ...     def after_process_message(self, broker, message, *, result=None, exception=None):
    ...         print(message, "failed" if exception else "done")
    >>> app = App("memory://", middleware=compose(hooks(Audit()), default_middleware))
    >>> @app.actor
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> handle = add.send(1, 2)
    >>> app.run_until_idle()
    add(1, 2) done
    1
    """

    @property
    def actor_options(self) -> set[str]:
        """Names of options that this middleware adds to actors: ``@app.actor(name=value)``. May also be a plain class attribute."""
        return set()

    @property
    def forks(self) -> list[Callable[[], object]]:
        """Functions that ``fq worker`` runs, each in a process of its own beside the workers, until it stops."""
        return []

    def after_process_boot(self, broker: BrokerView) -> None:
        """
        Called in the main thread of a worker process, after the app is imported.

        A worker inside your own process does not call it.
        """

    def before_declare_actor(self, broker: BrokerView, actor: ActorView) -> None:
        """Called before *actor* is declared, in the thread that declares it."""

    def after_declare_actor(self, broker: BrokerView, actor: ActorView) -> None:
        """Called after *actor* is declared, in the thread that declares it."""

    def before_declare_queue(self, broker: BrokerView, queue_name: str) -> None:
        """Called before the first actor of a queue is declared, in the thread that declares it."""

    def after_declare_queue(self, broker: BrokerView, queue_name: str) -> None:
        """Called after `before_declare_queue`, in the same thread."""

    def after_declare_delay_queue(self, broker: BrokerView, queue_name: str) -> None:
        """
        Called after `after_declare_queue`, with the name of the queue and ``.DQ``.

        fq has no such queue: a delayed message waits in its own queue, in the broker.
        """

    def before_enqueue(self, broker: BrokerView, message: MessageView, delay: int | None) -> None:
        """
        Called before a message is sent, by a caller, as a retry or as a follow-up. It becomes ready after *delay* ms; None: at once.

        Runs in the sender's thread; for retries and follow-ups, in the thread that ran the actor, before `before_ack`. Changes to
        ``message.options`` are sent along. If the hook raises, the sender gets the error and nothing is sent; for a retry or a follow-up,
        the message that ran becomes a dead letter.
        """

    def after_enqueue(self, broker: BrokerView, message: MessageView, delay: int | None) -> None:
        """
        Called after a message is enqueued.

        Runs in the sender's thread; for retries and follow-ups, in the thread that talks to the broker.
        """

    def before_delay_message(self, broker: BrokerView, message: MessageView) -> None:
        """
        Called before `after_enqueue`, in the same thread, for a delayed message.

        The message waits in the broker, not in a worker's memory.
        """

    def before_process_message(self, broker: BrokerView, message: MessageView) -> None:
        """
        Called before the actor, in the thread that runs it.

        That is a worker thread. For an async actor it is the thread of the event loop, in the actor's own task, where the hook must not block; or,
        with ``hooks(..., thread=True)``, a thread that the message has for itself.

        The hook may raise `SkipMessage`: the message is acknowledged without being run. It may call ``message.fail()``: the message becomes a
        dead letter without being run. Any other error fails the message, and an outer Retries layer may retry it; with
        ``hooks(..., fail_open=True)`` the error is logged, and the actor runs.
        """

    def after_process_message(
        self, broker: BrokerView, message: MessageView, *, result: object = None, exception: BaseException | None = None
    ) -> None:
        """
        Called after the actor, with its *result*, as JSON, or the *exception* that it raised.

        Runs in the same thread as `before_process_message`.
        Outside of Retries, ``message.failed`` says whether the failure is final; inside, that is not known yet, and it is False. The exception is
        being handled, so ``sys.exc_info()`` returns it. An error of the hook is logged and does not change the outcome; with
        ``hooks(..., fail_open=False)`` it turns a success into a failure.
        """

    def after_skip_message(self, broker: BrokerView, message: MessageView) -> None:
        """Called instead of `after_process_message`, in the same thread, for a message that was skipped, too old or snoozed."""

    def before_ack(self, broker: BrokerView, message: MessageView) -> None:
        """Called before a message that is done, or will be retried, is acknowledged; in the thread that ran it."""

    def after_ack(self, broker: BrokerView, message: MessageView) -> None:
        """Called after the message is acknowledged, in the thread that talks to the broker. Not called if the outcome came too late."""

    def before_nack(self, broker: BrokerView, message: MessageView) -> None:
        """Called before a message becomes a dead letter, in the thread that ran it."""

    def after_nack(self, broker: BrokerView, message: MessageView) -> None:
        """Called after the message has become a dead letter, in the thread that talks to the broker."""

    def before_worker_boot(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called before a worker starts its threads, in its main thread."""

    def after_worker_boot(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called after a worker has started its threads, in its main thread."""

    def before_worker_shutdown(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called when a worker begins to stop, in the thread that stops it."""

    def after_worker_shutdown(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called after all threads of the worker have ended, in the thread that stops it."""

    def after_consumer_thread_boot(self, broker: BrokerView, thread: threading.Thread) -> None:
        """Called when the thread that talks to the broker has started, in that thread. Each worker has one."""

    def before_consumer_thread_shutdown(self, broker: BrokerView, thread: threading.Thread) -> None:
        """Called before the thread that talks to the broker ends, in that thread."""

    def after_worker_thread_boot(self, broker: BrokerView, thread: threading.Thread) -> None:
        """
        Called when a thread that runs actors has started, in that thread.

        The thread of the event loop starts with the first message for an async actor, those of ``hooks(..., thread=True)`` with such messages.
        """

    def before_worker_thread_shutdown(self, broker: BrokerView, thread: threading.Thread) -> None:
        """Called before a thread that runs actors ends, in that thread."""
