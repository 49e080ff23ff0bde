"""Where versions are kept: one protocol, a folder registry and the Hub."""
