//! One error type for the whole crate, with a short public kind.

use std::{
    fmt::{self, Write},
    io,
    path::Path,
};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in one line: what, where, and what would be right.
///
/// The type is one word wide. [`kind`](Error::kind) says which family the error belongs to;
/// [`source`](std::error::Error::source) gives the cause where there is one.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Repr>);

#[derive(Debug, thiserror::Error)]
#[error("{}", OneLine(message))]
struct Repr {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Names and values in a message may come from a hostile file: their control characters would break the line, or command
/// the terminal.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

/// The families of errors, the same in every language binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused: a file is missing, a disk is full.
    Io,
    /// Not a readable capture; the message holds the byte offset.
    Capture,
    /// A parameter is out of range; the message holds its name, its value and the allowed range.
    Config,
    /// A model and the rows given to it disagree; the message holds both fingerprints and the first differing column.
    Schema,
    /// Too few rows for what was promised, or a value that is not finite; the message holds row and column.
    Data,
    /// Not a model file, one of a newer version, or a corrupt one.
    ModelFile,
    /// Training produced a loss that is not finite.
    Training,
    /// The progress closure asked to stop.
    Canceled,
    /// A link type or cargo feature that is not built in, or a device that is not there.
    Unsupported,
}

impl Error {
    /// Makes an error of the given kind. Models of users' own report their errors through this.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Repr { kind, message: message.into(), source: None }))
    }

    /// The same error with a cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The family this error belongs to.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The same error with `context: ` before its message, to say where it happened.
    #[must_use]
    pub(crate) fn at(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// An operating system error on a file.
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{}: {error}", path.display())).with_source(error)
    }

    /// A parameter out of its range: `name is value, it must be allowed`.
    pub(crate) fn config(name: &str, value: impl fmt::Display, allowed: &str) -> Self {
        Self::new(ErrorKind::Config, format!("{name} is {value}, it must be {allowed}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn is_one_word_and_says_what_where_and_what_would_be_right() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let error = Error::config("idle_timeout", "0 s", "above 0 s");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), "idle_timeout is 0 s, it must be above 0 s");
        assert!(error.source().is_none());
    }

    #[test]
    fn stays_one_line_whatever_it_quotes() {
        let error = Error::config("name\nof\u{1b}[2Jhead", "\u{9b}", "a\tb \u{e9}");
        assert_eq!(error.to_string(), "name\\nof\\u{1b}[2Jhead is \\u{9b}, it must be a\\tb \u{e9}");
    }

    #[test]
    fn keeps_the_cause_and_names_the_path() {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = Error::io(Path::new("a.pcap"), cause);
        assert_eq!(error.to_string(), "a.pcap: no such file");
        assert_eq!(error.source().expect("a cause").to_string(), "no such file");
        assert_eq!(error.at("training").to_string(), "training: a.pcap: no such file");
    }
}
