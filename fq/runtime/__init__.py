"""The ground of the imperative shell: logger, watched threads, masked interrupts, fresh ids."""
