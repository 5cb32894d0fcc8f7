"""Whether series still are as they were when a model was trained on them."""
