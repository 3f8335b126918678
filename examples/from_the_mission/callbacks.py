"""
Callbacks: other actors receive the outcome of a message, in the same commit.

The first parameter is the message: annotated as `Message`, it arrives as one; as the page has it, without annotations, as a dict whose fields are
attributes, too.

It prints::

    Task monitored_task succeeded with result: Processed: fine
    Task monitored_task failed: {'type': 'ValueError', 'message': 'Intentional failure'}
    celebrate was told of monitored_task and Processed: once more
"""

import logging

from fq import App, Message

app = App("memory://")


@app.actor
def success_callback(message_data: Message, result: str) -> None:
    print(f"Task {message_data.actor_name} succeeded with result: {result}")


@app.actor
def failure_callback(message_data: Message, exception_data: dict[str, str]) -> None:
    print(f"Task {message_data.actor_name} failed: {exception_data}")


# The page's: callbacks by name.
@app.actor(on_success="success_callback", on_failure="failure_callback", max_retries=0)
def monitored_task(data: str) -> str:
    if data == "fail":
        raise ValueError("Intentional failure")
    return f"Processed: {data}"


# Or for a single call, by the actor itself.
@app.actor
def celebrate(message_data: dict[str, object], result: str) -> None:
    print(f"celebrate was told of {message_data['actor_name']} and {result}")


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    monitored_task.send("fine")
    monitored_task.send("fail")
    app.run_until_idle()
    monitored_task.call("once more").with_options(on_success=celebrate).send()
    app.run_until_idle()
