"""What has effects: on files, on MLflow, by the clock. It is built in layers, and each knows only those below it.

    commands                                  what the command line calls
    schedule                                  when models are retrained
    retrain, tune, finetune, together, demo   several of the tasks below, one after the other
    train, backtest, promotion, drift, ...    one task each
    report, start, zero_shot                  what tasks share: what a run shows, what a training begins with, a model
                                              for series that none was trained on
    comparison, prediction, references        models on the same folds, a model on a table, the model that is meant
    loading, registry                         panels and versions
    sources, tracking, ledger                 tables, runs of MLflow and the ledger, wherever they are
    provenance, signing, ...                  what is noted of a run, the key of a version, tables to try things on
    config                                    all settings, and what the environment says
    config_file, errors                       how settings are written, and what can go wrong

`pyproject.toml` has the layer of every module, and import-linter holds them to it.
"""
