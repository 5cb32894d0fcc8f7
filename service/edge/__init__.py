"""The process and its sockets: connections with deadlines, a drain that answers what was begun, several workers."""
