"""What the imperative shell is built on: logger, watched threads, masked interrupts, fresh ids."""
