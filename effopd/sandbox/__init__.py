"""Running programs that nobody has read: bubblewrap, a system-call filter and resource limits around each."""
