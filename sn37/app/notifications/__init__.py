"""Messages to an operator's chat: which events are worth one, and how they are sent."""
