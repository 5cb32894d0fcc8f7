"""Fine-tuned models: a worker does what clients have ordered of the service."""
