"""One publisher, many subscribers: chatter beside what else one would use, on the same work."""
