"""What the imperative shell stands on: its logger, watched threads, interrupts that wait, fresh ids."""
