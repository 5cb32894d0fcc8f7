"""Tuning: settings are tried on the validation folds, and what was found is compared with the config on the test folds.

The runs in MLflow are the study. Each trial is a child run of one parent run; whatever goes on with a study reads its
finished trials from there, and Optuna, which draws and prunes, holds nothing that would have to be kept. So a study
needs no second database, and works over HTTP, where a client cannot reach the one that MLflow has. (Optuna's own tables
could not even share that one: both keep the revision of their schema in a table named `alembic_version`.)

A draw depends on the finished trials and on the number of the trial alone. A study that was killed and goes on
therefore tries what an unbroken one would have tried.
"""
