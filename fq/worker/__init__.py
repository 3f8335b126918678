"""The worker: `supervisor`, its children (`child`), and what a child is made of: `pump`, `pool`, `loop`, `deadlines`."""
