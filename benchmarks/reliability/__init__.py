"""What the service does when clients and processes misbehave: each module measures it and a server that does not."""
