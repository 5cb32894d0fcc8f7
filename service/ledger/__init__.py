"""Forecasts on their way into the ledger, and values that are reported.

answer ──> journal (a file of each worker) ──> keeper (one process) ──> database
               └── what stands there outlasts the worker, and only then is an answer sent with its id
"""
