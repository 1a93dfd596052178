//! The closed list of ways an operation fails, each with its wire code.
//!
//! [`Error`] has no `Display`: async-graphql publishes the text of whatever has one. What a client reads is
//! [`Error::message`]; the cause of an internal failure is logged under an id, and the client sees the id.

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::access::Permission;

/// Why an operation as a whole was refused or failed. Input that can be mended is not here: it is data, see
/// [`InputError`].
#[derive(Clone, Debug)]
pub enum Error {
    /// Nobody is logged in, and this needs somebody (rule P2).
    Unauthenticated,
    /// The token is not one of ours, has expired or was revoked; the sentence says which.
    BadToken(&'static str),
    /// May see the thing, may not do this; names the missing permission (rule P2).
    Forbidden(Permission),
    /// Does not exist, or exists where the viewer may not look: the two are told apart by nobody (rule P2).
    NotFound(&'static str),
    /// An argument that cannot be meant; the sentence says what to send instead.
    BadRequest(String),
    /// The cursor is not one that this connection gave out.
    CursorInvalid,
    /// The cursor is not one of the feed; most likely it is one of a list.
    FeedCursorInvalid,
    /// What follows the cursor is not kept, or is not known to follow it; holds the oldest cursor to start from.
    CursorExpired {
        /// The oldest cursor that can still be resumed from.
        oldest: String,
    },
    /// A limit that protects the service; the sentence names it.
    LimitExceeded(String),
    /// The operation took longer than it may.
    Timeout,
    /// The store cannot be reached, or was lost meanwhile. Of a write nobody can tell whether it was done.
    Unavailable,
    /// Our fault. The cause is in the log under this id.
    Internal(Uuid),
    /// One of the others, about what the input names at a path, as [`InputError::path`] has it.
    Placed(Box<Self>, Vec<String>),
}

impl Error {
    /// The code under `extensions.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated | Self::BadToken(_) => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            Self::BadRequest(_) => "BAD_REQUEST",
            Self::CursorInvalid | Self::FeedCursorInvalid => "CURSOR_INVALID",
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
            Self::LimitExceeded(_) => "LIMIT_EXCEEDED",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
            Self::Placed(error, _) => error.code(),
        }
    }

    /// The sentence a client reads: what is wrong and what to do about it.
    pub fn message(&self) -> String {
        match self {
            Self::Unauthenticated => {
                "You must be logged in to do this: send the header \"Authorization: Bearer TOKEN\".".into()
            }
            Self::BadToken(why) => format!("The token was refused: {why}"),
            Self::Forbidden(permission) => {
                format!("You need the permission {} to do this.", permission.wire_name())
            }
            Self::NotFound(noun) => format!("There is no {noun} of this id that you may see."),
            Self::BadRequest(sentence) | Self::LimitExceeded(sentence) => sentence.clone(),
            Self::CursorInvalid => {
                "The cursor is not one of this list: pass a cursor exactly as it was given, with the same orderBy."
                    .into()
            }
            Self::FeedCursorInvalid => {
                "This is no cursor of the feed: pass the cursor of an event, or the feedCursor that was read together \
                 with a list, exactly as it was given. The cursors of a list itself only page through the list."
                    .into()
            }
            Self::CursorExpired { oldest } => format!(
                "This cursor cannot be resumed from any more: what followed it is not kept, or the database was replaced \
                 by a copy that did not know of it. Read the list anew and follow from its feedCursor, or resume from \
                 {oldest:?}, the oldest cursor there is."
            ),
            Self::Timeout => "The operation took too long, or the store did not answer: try again in a moment, or ask for \
                              less at a time. If it was to write, nobody can tell whether that was done: its \
                              clientMutationId says what makes it safe to send again."
                .into(),
            Self::Unavailable => "The store cannot do this just now, being away, full, or closed to writes: try again in a moment. If it \
                                  was to write, nobody can tell whether that was done: its clientMutationId says what \
                                  makes it safe to send again."
                .into(),
            Self::Internal(id) => {
                format!("Something went wrong on our side. It is in the log as {id}; please report that id.")
            }
            Self::Placed(error, _) => error.message(),
        }
    }

    /// The same with its place, given as `input.tenantId`, where it is about what the input names there.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        match self {
            Self::NotFound(_) | Self::Forbidden(_) | Self::BadRequest(_) => {
                Self::Placed(Box::new(self), steps(path))
            }
            whole => whole,
        }
    }

    /// The same as a mistake of one row of many.
    ///
    /// # Errors
    /// What has no place concerns all rows, and stays what it is.
    pub fn of_row(self) -> Result<InputError, Self> {
        let Self::Placed(error, path) = self else { return Err(self) };
        let code = match *error {
            Self::NotFound(_) => InputErrorCode::NotFound,
            Self::Forbidden(_) => InputErrorCode::Forbidden,
            _ => InputErrorCode::Invalid,
        };
        Ok(InputError { code, path, message: error.message() })
    }

    /// Logs the cause of a failure of ours and keeps only the id that finds it again.
    pub fn internal(cause: impl std::fmt::Debug) -> Self {
        let id = crate::store::id::new();
        tracing::error!(error_id = %id, cause = ?cause, "internal error");
        Self::Internal(id)
    }
}

/// The steps of a path that is given as `input.version.versionName`.
fn steps(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// What is wrong with one field of an input. Part of a payload, beside the object, and never an exception:
/// a form shows each at its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// What kind of mistake.
    pub code: InputErrorCode,
    /// Where, from `input` on: `["input", "version", "terms", "queue", "slaThreshold"]`.
    pub path: Vec<String>,
    /// What to do about it.
    pub message: String,
}

impl InputError {
    /// An error at a path given as `input.version.versionName`.
    pub fn at(path: &str, code: InputErrorCode, message: impl Into<String>) -> Self {
        Self { code, path: steps(path), message: message.into() }
    }

    /// That an object has another revision than the one that is expected.
    pub fn conflict() -> Self {
        Self::at(
            "input.expectedRevision",
            InputErrorCode::Conflict,
            "This has changed since it was read: look at it as it is now, and try again with its revision.",
        )
    }
}

/// The kinds of mistakes in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputErrorCode {
    /// The value breaks a rule of its field.
    Invalid,
    /// The field must be given here.
    Required,
    /// The text is longer than the field holds.
    TooLong,
    /// Another livechat SLA of the tenant has this name or due time (rule S11).
    DuplicatedSla,
    /// Another object has this value where only one may.
    Duplicate,
    /// No object of this id that the viewer may see and use here.
    NotFound,
    /// The object changed since it was read (its revision is another).
    Conflict,
    /// What cannot be taken back, such as turning off `shared` (rule S5).
    Irreversible,
    /// Other objects still hang on it.
    InUse,
    /// It takes a right that its author does not hold, or would hand one on; the message names it.
    Forbidden,
}

/// Why a write did not happen.
#[derive(Clone, Debug)]
pub enum WriteError {
    /// The input is at fault: all its mistakes.
    Input(Vec<InputError>),
    /// The object of this id has changed since the client read it: its revision is another.
    Conflict(Uuid),
    /// It lost against another that wrote at the same time: try again.
    Again,
    /// The operation is refused or has failed as a whole.
    Refused(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<InputError> for WriteError {
    fn from(error: InputError) -> Self {
        Self::Input(vec![error])
    }
}

impl From<Mistakes> for WriteError {
    fn from(mistakes: Mistakes) -> Self {
        Self::Input(mistakes.0)
    }
}

/// A name as it is kept: without white space around it, and in Unicode's normal form C, so that names that look the same
/// are the same.
pub fn name(text: &str) -> String {
    text.trim().nfc().collect()
}

/// The mistakes of an input, gathered so that a client is told all of them at once.
#[derive(Clone, Debug, Default)]
pub struct Mistakes(Vec<InputError>);

impl Mistakes {
    /// Adds one, at a path given as `input.version.versionName`.
    pub fn add(&mut self, path: &str, code: InputErrorCode, message: impl Into<String>) {
        self.0.push(InputError::at(path, code, message));
    }

    /// Adds one that is known.
    pub fn push(&mut self, mistake: InputError) {
        self.0.push(mistake);
    }

    /// Whether one is at a path already.
    pub fn has(&self, path: &str) -> bool {
        self.0.iter().any(|mistake| mistake.path == steps(path))
    }

    /// Adds those that were found elsewhere.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// What something is called: a text of one line, kept as [`name`] has it, which is given.
    pub fn name(&mut self, path: &str, text: &str, longest: usize) -> String {
        let kept = name(text);
        self.text(path, &kept, longest);
        kept
    }

    /// A text of one line that must say something and may have at most `longest` characters.
    pub fn text(&mut self, path: &str, text: &str, longest: usize) {
        if text.trim().is_empty() {
            self.add(path, InputErrorCode::Required, "This must not be blank.");
        }
        self.line(path, text, longest);
    }

    /// A text of one line, of at most `longest` characters.
    pub fn line(&mut self, path: &str, text: &str, longest: usize) {
        self.length(path, text, longest);
        self.plain(path, text, &[]);
    }

    /// A text of any number of lines, of at most `longest` characters, if there is one.
    pub fn prose(&mut self, path: &str, text: Option<&str>, longest: usize) {
        if let Some(text) = text {
            self.length(path, text, longest);
            self.plain(path, text, &['\n', '\r', '\t']);
        }
    }

    /// An e-mail address, of at most 254 characters. Whether it exists only a message to it can tell.
    pub fn email(&mut self, path: &str, address: &str) {
        let plain = |letter: char| {
            !letter.is_whitespace() && !letter.is_control() && !"<>()[],;:\\\"".contains(letter)
        };
        let is_one = address.rsplit_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && !name.contains('@')
                && !host.is_empty()
                && !host.starts_with('.')
                && !host.ends_with('.')
        });
        if !is_one || !address.chars().all(plain) {
            self.add(
                path,
                InputErrorCode::Invalid,
                "This is no e-mail address: write one as name@example.com.",
            );
        }
        self.length(path, address, 254);
    }

    fn length(&mut self, path: &str, text: &str, longest: usize) {
        if text.chars().count() > longest {
            self.add(path, InputErrorCode::TooLong, format!("This may have at most {longest} characters."));
        }
    }

    /// That a text has no control characters but those that are allowed.
    fn plain(&mut self, path: &str, text: &str, allowed: &[char]) {
        if let Some(control) = text.chars().find(|letter| letter.is_control() && !allowed.contains(letter)) {
            let code = u32::from(control);
            let message = format!("This holds the control character U+{code:04X}: leave it out.");
            self.add(path, InputErrorCode::Invalid, message);
        }
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<InputError> {
        self.0
    }

    /// Nothing, or all that was found.
    ///
    /// # Errors
    /// [`WriteError::Input`] when anything was found.
    pub fn none(self) -> Result<(), WriteError> {
        if self.0.is_empty() { Ok(()) } else { Err(WriteError::Input(self.0)) }
    }
}
