"""How a bundle's networks are executed: by torch as they are, or as one graph by ONNX Runtime."""
