"""The REST dialect of TimeGPT, as the public `nixtla` SDK speaks it. docs/timegpt.md says what is refused, and why."""
