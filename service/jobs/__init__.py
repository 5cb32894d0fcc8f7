"""Jobs: requests that are answered later, by whichever worker has nothing better to do, and fetched then.

request ──> understood, paid for ──> database ──> 202 and an id
                                        └── runner of some worker: claims it, answers it, piece by piece ──> database
"""
