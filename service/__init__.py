"""The HTTP service: follows the registry's champion and answers forecast requests. Knows no trainer.

It is built in layers, and each knows only those below it:

    cli                          starts it
    app                          wires everything together
    dialects                     what other servers' clients speak, onto the same core
    routes                       the paths of its own API
    jobs                         what is answered later
    answers                      the steps of an answer, and how a kept one is given again
    app_state, openapi           what all requests share, and what is announced
    access, ledger, edge         who may ask, what is written down, the process and its sockets
    tables, explain, report, ... other forms of questions and replies; what is counted, logged and told of errors
    requests                     a request is taken apart, a reply is put together
    models, compute              what is served, and the one thread that computes
    errors, settings, ...        what may go wrong and what may be set

`pyproject.toml` has the layer of every module, and import-linter holds them to it.
"""
