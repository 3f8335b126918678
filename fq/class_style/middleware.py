"""`Middleware`, the base class for class-style middleware: every hook, and when and where it is called."""

import threading
from collections.abc import Callable

from fq.class_style.actor_view import ActorView
from fq.class_style.broker_view import BrokerView, WorkerView
from fq.class_style.message_view import MessageView


class Middleware:
    """
    Override the hooks that you need, and put ``hooks(YourMiddleware())`` into a stack. Hooks that are not overridden cost nothing.

    Of several middlewares, those further outside have their ``before_`` hooks called first and their ``after_`` hooks last.

    Around a message, in this order: `before_process_message`, the actor, `after_process_message` (or `after_skip_message`); then,
    when the outcome is about to be committed, `before_ack` or `before_nack`; and when it is, `after_ack` or `after_nack`. All of
    them get the same *message*.

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
        """Names of options that actors may then have: ``@app.actor(name=value)``. A plain attribute of the class will do, too."""
        return set()

    @property
    def forks(self) -> list[Callable[[], object]]:
        """Functions that ``fq worker`` runs, each in a process of its own beside the workers, for as long as it runs itself."""
        return []

    def after_process_boot(self, broker: BrokerView) -> None:
        """
        Called in the main thread of a worker process, when the app has been imported.

        A worker inside your own process does not call it.
        """

    def before_declare_actor(self, broker: BrokerView, actor: ActorView) -> None:
        """Called when *actor* is about to be declared, in the thread that declares it."""

    def after_declare_actor(self, broker: BrokerView, actor: ActorView) -> None:
        """Called when *actor* has been declared, in the thread that declares it."""

    def before_declare_queue(self, broker: BrokerView, queue_name: str) -> None:
        """Called when the first actor of a queue is declared, in the thread that declares it."""

    def after_declare_queue(self, broker: BrokerView, queue_name: str) -> None:
        """Called after `before_declare_queue`, in the same thread."""

    def after_declare_delay_queue(self, broker: BrokerView, queue_name: str) -> None:
        """
        Called after `after_declare_queue`, with the name and ``.DQ``.

        There is no such queue: delayed messages wait in the broker, in their own.
        """

    def before_enqueue(self, broker: BrokerView, message: MessageView, delay: int | None) -> None:
        """
        Called before a message is sent, to be ready *delay* ms later (None: at once): by a caller, as a retry, or as a follow-up.

        In the sender's thread; for retries and follow-ups, in the thread that has run the actor, before `before_ack`. What it writes into
        ``message.options`` travels. What it raises goes to the sender, and nothing is sent; of a retry or a follow-up, it makes
        the message a dead letter.
        """

    def after_enqueue(self, broker: BrokerView, message: MessageView, delay: int | None) -> None:
        """
        Called when a message is on its queue.

        In the sender's thread; for retries and follow-ups in the thread that talks to the broker.
        """

    def before_delay_message(self, broker: BrokerView, message: MessageView) -> None:
        """
        Called before `after_enqueue`, in the same thread, for a message that has to wait.

        It waits in the broker, not in a worker's memory.
        """

    def before_process_message(self, broker: BrokerView, message: MessageView) -> None:
        """
        Called before the actor, in the thread that runs it.

        That is a worker thread; for an async actor it is the event loop's, in the actor's own task, where it must not block.

        May raise `SkipMessage`: the message is acknowledged, not run. May call ``message.fail()``: it is a dead letter, not run.
        Anything else that it raises is a failure of the message, which Retries sees if it is outside; with ``hooks(...,
        fail_open=True)`` it is logged, and the actor runs.
        """

    def after_process_message(
        self, broker: BrokerView, message: MessageView, *, result: object = None, exception: BaseException | None = None
    ) -> None:
        """
        Called after the actor, with its *result*, as JSON, or the *exception* that it raised.

        In the same thread as `before_process_message`.
        Outside of Retries, ``message.failed`` says if the failure is final; inside it is never known, and False. The exception is being
        handled: ``sys.exc_info()`` is there. What the hook raises is logged, and the outcome stays as it is; with ``hooks(...,
        fail_open=False)`` it makes a success a failure.
        """

    def after_skip_message(self, broker: BrokerView, message: MessageView) -> None:
        """Called instead of `after_process_message`, and in the same thread, for a message that was skipped, too old, or put off."""

    def before_ack(self, broker: BrokerView, message: MessageView) -> None:
        """Called when a message that is done, or will be retried, is about to be acknowledged; in the thread that ran it."""

    def after_ack(self, broker: BrokerView, message: MessageView) -> None:
        """Called when it has been, in the thread that talks to the broker. Not called if the outcome came too late."""

    def before_nack(self, broker: BrokerView, message: MessageView) -> None:
        """Called when a message is about to become a dead letter; in the thread that ran it."""

    def after_nack(self, broker: BrokerView, message: MessageView) -> None:
        """Called when it has, in the thread that talks to the broker."""

    def before_worker_boot(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called before a worker starts its threads, in its main thread."""

    def after_worker_boot(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called when they have been started, in the main thread."""

    def before_worker_shutdown(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called when a worker is told to stop, in the thread that stops it."""

    def after_worker_shutdown(self, broker: BrokerView, worker: WorkerView) -> None:
        """Called when all its threads have ended, in the thread that stops it."""

    def after_consumer_thread_boot(self, broker: BrokerView, thread: threading.Thread) -> None:
        """Called when the thread that talks to the broker has started, in that thread: one of each worker."""

    def before_consumer_thread_shutdown(self, broker: BrokerView, thread: threading.Thread) -> None:
        """Called when it is about to end, in that thread."""

    def after_worker_thread_boot(self, broker: BrokerView, thread: threading.Thread) -> None:
        """
        Called when a thread that runs actors has started, in that thread.

        The event loop's starts with the first message for an async actor.
        """

    def before_worker_thread_shutdown(self, broker: BrokerView, thread: threading.Thread) -> None:
        """Called when it is about to end, in that thread."""
