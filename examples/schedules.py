"""
Schedules: a digest for each customer at seven in the morning of the customer's own clock, and a look at a service every quarter of an hour.

``python -m examples.schedules`` runs the last weekend of March 2030, on which the clocks in Berlin skip an hour, in a moment: the clock of the memory
broker jumps from tick to tick. It prints::

    29 Mar 18:00 UTC: the digest of Noa, in Pacific/Auckland
    30 Mar 06:00 UTC: the digest of Ada, in Europe/Berlin
    30 Mar 11:00 UTC: the digest of Bob, in America/New_York
    30 Mar 18:00 UTC: the digest of Noa, in Pacific/Auckland
    31 Mar 05:00 UTC: the digest of Ada, in Europe/Berlin
    31 Mar 11:00 UTC: the digest of Bob, in America/New_York
    192 looks at the service
"""

from datetime import UTC, datetime, timedelta

from fq import App, Schedule, cron, current_tick
from fq.testing import ManualClock, drain, memory

CUSTOMERS = {"Ada": "Europe/Berlin", "Bob": "America/New_York", "Noa": "Pacific/Auckland"}
FRIDAY_NOON = datetime(2030, 3, 29, 12, tzinfo=UTC)

app = App("sqlite:///fq.db")
looks: list[datetime] = []


@app.actor
def digest(customer: str, zone: str) -> None:
    """Send the digest of a customer."""
    print(f"{current_tick():%d %b %H:%M} UTC: the digest of {customer}, in {zone}")


@app.actor
def look() -> None:
    """Look whether the service is there."""
    if tick := current_tick():
        looks.append(tick)


@app.actor
def sign_up(customer: str) -> None:
    """Begin to send digests to a customer; again, it changes nothing."""
    zone = CUSTOMERS[customer]
    app.schedules.put(Schedule(f"digest of {customer}", cron("0 7 * * *", tz=zone), digest.call(customer, zone)))


app.every(timedelta(minutes=15), look.call(), name="look", catch_up="skip", overlap="skip")


def main() -> None:
    """Let customers sign up, and two days pass."""
    with memory(app, clock=ManualClock(round(FRIDAY_NOON.timestamp() * 1_000))):
        app.send_many(sign_up.call(customer) for customer in CUSTOMERS)
        drain(app, until=timedelta(days=2))
    print(f"{len(looks)} looks at the service")


if __name__ == "__main__":
    main()
