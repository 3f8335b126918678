"""What a worker tells the outside: logs, metrics, health."""
