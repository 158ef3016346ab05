//! What goes wrong, as values.

use std::fmt;

/// Why a broker refused something: the codes of MESSAGES.md, "Errors".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // MESSAGES.md says what each of them means
pub enum Code {
    BadMessage,
    UnknownKind,
    TooLarge,
    Version,
    Unauthorized,
    HelloFirst,
    WrongRole,
    InvalidSpec,
    UnknownJob,
    UnknownTask,
    UnknownWorker,
    Limit,
    ShuttingDown,
    DifferentLayout,
    DifferentPrograms,
    WorkerAlive,
    Storage,
    /// A code of a newer broker, to be taken for `BadMessage`.
    Other(String),
}

const CODES: [(Code, &str); 17] = [
    (Code::BadMessage, "bad_message"),
    (Code::UnknownKind, "unknown_kind"),
    (Code::TooLarge, "too_large"),
    (Code::Version, "version"),
    (Code::Unauthorized, "unauthorized"),
    (Code::HelloFirst, "hello_first"),
    (Code::WrongRole, "wrong_role"),
    (Code::InvalidSpec, "invalid_spec"),
    (Code::UnknownJob, "unknown_job"),
    (Code::UnknownTask, "unknown_task"),
    (Code::UnknownWorker, "unknown_worker"),
    (Code::Limit, "limit"),
    (Code::ShuttingDown, "shutting_down"),
    (Code::DifferentLayout, "different_layout"),
    (Code::DifferentPrograms, "different_programs"),
    (Code::WorkerAlive, "worker_alive"),
    (Code::Storage, "storage"),
];

impl Code {
    pub(crate) fn from_text(text: &str) -> Code {
        let found = CODES.iter().find(|(_, name)| *name == text);
        found.map_or_else(|| Code::Other(text.to_string()), |(code, _)| code.clone())
    }

    /// The code as the protocol writes it, such as `unknown_job`.
    pub fn as_str(&self) -> &str {
        match self {
            Code::Other(text) => text,
            known => CODES
                .iter()
                .find(|(code, _)| code == known)
                .map_or("", |(_, name)| name),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a worker or a client cannot go on. Each is one sentence when it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The broker refused what was sent to it. Nothing was changed.
    Refused {
        /// The broker's code.
        code: Code,
        /// The broker's words.
        message: String,
    },
    /// No broker answers, or the broker did not answer in time.
    NoBroker(String),
    /// A variable, an option or an access file is wrong; the text names it and says what is
    /// accepted.
    Settings(String),
    /// What came is not a message of bellis/1; the text names the field and what is accepted.
    BadMessage(String),
    /// The system refused something: a socket, a thread, a descriptor.
    System(String),
}

impl Error {
    /// The broker's code, if the broker refused something.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Error::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused { code, message } if message.is_empty() => write!(f, "{}", code),
            Error::Refused { code, message } => write!(f, "{} ({})", message, code),
            Error::NoBroker(text)
            | Error::Settings(text)
            | Error::BadMessage(text)
            | Error::System(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
