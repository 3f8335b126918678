"""
Log lines before and after each message: the page's class, unmodified, and the same in fq's own style.

It prints::

    hooks(LoggingMiddleware())
    INFO Starting processing: divide
    INFO Completed processing: divide
    INFO Starting processing: divide
    ERROR Failed processing divide: division by zero
    Logged()
    INFO Starting processing: divide
    INFO Completed processing: divide
    INFO Starting processing: divide
    ERROR Failed processing divide: division by zero
"""

import logging
import sys

from attrs import frozen

from fq import App, Message, Middleware, Outcome, Step, class_style, compose, default_middleware, hooks


# The page's.
class LoggingMiddleware(class_style.Middleware):
    def __init__(self, log_level: str = "INFO") -> None:
        self.logger = logging.getLogger("custom")
        self.logger.setLevel(log_level)

    def before_process_message(self, broker: class_style.BrokerView, message: class_style.MessageView) -> None:
        self.logger.info(f"Starting processing: {message.actor_name}")

    def after_process_message(
        self,
        broker: class_style.BrokerView,
        message: class_style.MessageView,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        if exception:
            self.logger.error(f"Failed processing {message.actor_name}: {exception}")
        else:
            self.logger.info(f"Completed processing: {message.actor_name}")


# fq's own: a step is two functions, and the outcome of the message is a value.
log = logging.getLogger("custom")


@frozen
class Logged(Step):
    """A line before and after every message."""

    def before(self, message: Message) -> Message:
        log.info("Starting processing: %s", message.actor_name)
        return message

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        if outcome.error is None:
            log.info("Completed processing: %s", message.actor_name)
        else:
            log.error("Failed processing %s: %s", message.actor_name, outcome.error)
        return outcome


def run(layer: Middleware) -> None:
    app = App("memory://", middleware=compose(layer, default_middleware))

    @app.actor(max_retries=0)
    def divide(a: int, b: int) -> float:
        return a / b

    divide.send(6, 2)
    divide.send(6, 0)
    app.run_until_idle()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
    logging.getLogger("fq").setLevel(logging.CRITICAL)  # it logs failures, too
    print("hooks(LoggingMiddleware())")
    run(hooks(LoggingMiddleware()))
    print("Logged()")
    run(Logged())
