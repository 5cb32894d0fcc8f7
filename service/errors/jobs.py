"""Jobs that are not taken in, are not there, or are not as far as somebody thinks."""

from __future__ import annotations

from service.errors.base import ServiceError


class UnknownJob(ServiceError):
    """The key that asks has no job of that id, or it was too old to be kept."""

    status, code = 404, "unknown-job"


class TooManyJobs(ServiceError):
    """As many jobs of this key wait as may."""

    status, code = 429, "too-many-jobs"
    retry_after_seconds = 30


class KeyReused(ServiceError):
    """The Idempotency-Key was sent before, with another request."""

    status, code = 422, "idempotency-key-reused"


class TooManyModels(ServiceError):
    """This key has as many fine-tuned models as it may have."""

    status, code = 409, "too-many-models"


class NameTaken(ServiceError):
    """A fine-tuned model has that name already."""

    status, code = 409, "name-taken"


class JobNotDone(ServiceError):
    """The job has no result yet."""

    status, code = 409, "job-not-done"
    retry_after_seconds = 2


class JobCancelled(ServiceError):
    """The job was cancelled and will have no result."""

    status, code = 409, "job-cancelled"


class JobDone(ServiceError):
    """The job has ended: there is nothing to cancel."""

    status, code = 409, "job-done"


class StillTraining(ServiceError):
    """A model is not trained yet in the time that the request allows. The training goes on."""

    status, code = 504, "still-training"
    retry_after_seconds = 5


class TrainingCancelled(JobCancelled):
    """A training was cancelled while its client waited: no client that tries conflicts again should begin it anew."""

    status, code = 410, "training-cancelled"


class JobGivenUp(ServiceError):
    """Whoever did the job did not live to end it, several times: told as the problem of the job."""

    status, code = 500, "job-given-up"
