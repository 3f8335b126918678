"""
An actor can read its current message: `current_message` is in the default stack.

It prints::

    outside of an actor: None
    {'data': 'fine', 'same_message': True, 'retry_count': 1}
"""

import logging

from fq import App, get_current_message

app = App("memory://")


@app.actor
def message_aware_task(data: str) -> dict[str, object]:
    current = get_current_message()
    assert current is not None
    if "retries" not in current.options:
        raise RuntimeError("the first attempt fails")
    return {"data": data, "same_message": current.message_id == handle.message_id, "retry_count": current.options.get("retries", 0)}


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    handle = message_aware_task.send("fine")
    app.run_until_idle()
    print("outside of an actor:", get_current_message())
    print(handle.get_result())
