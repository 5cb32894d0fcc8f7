"""From a question to an answer: admission, batches, the one thread that computes, shadows."""
