"""The ground floor: the metric model, the wire formats shared with the server, and the agent."""

__version__ = "0.1.0.dev0"
