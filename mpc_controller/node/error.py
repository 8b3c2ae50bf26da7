"""What stops a node at start-up."""


class NodeError(RuntimeError):
    """No plant answers, a plant of another robot, or a driver that broke down. The text is one line for the user."""
