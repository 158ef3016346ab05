"""The exception of this package."""


class BrokerError(Exception):
    """The broker refused something, or cannot be reached; `str()` of it is one sentence.

    `code` is stable. From the broker: `unauthorized`, `unknown_job`, `invalid_spec` and the others
    of MESSAGES.md "Errors". From this side: `environment` (a setting is missing or malformed),
    `no_broker` (nobody answers at the endpoint), `bad_message` (a message of the broker is not
    bellis/1, or a message cannot be encoded) and `too_large`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
