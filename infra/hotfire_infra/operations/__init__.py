"""What an operator looks at: logs, metrics, traces, health."""
