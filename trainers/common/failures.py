"""Failures of a trainer, and how they are told apart."""


class TrainerError(Exception):
    """An expected failure. `kind` says whose fault it is, so that the platform knows whether trying again can help.

    hyperparameters: these settings cannot be trained. data: the tables are not what was announced.
    config: the job was put together wrongly. environment: this machine cannot run the trainer.
    export: the exported model does not answer like the trained one. busy: another attempt writes the same checkpoint.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Stopped(Exception):
    """The job was asked to stop (SIGTERM)."""
