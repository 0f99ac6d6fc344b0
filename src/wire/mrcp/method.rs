//! Methods, events, status codes and completion causes, RFC 6787 sections 5.2 to 5.5 and 9.4.11.

use std::fmt;

/// A request's method. All names that RFC 6787 gives to a recognizer are known, whether answerd serves them or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// SET-PARAMS, section 6.1.1.
    SetParams,
    /// GET-PARAMS, section 6.1.2.
    GetParams,
    /// DEFINE-GRAMMAR, section 9.8.
    DefineGrammar,
    /// RECOGNIZE, section 9.9.
    Recognize,
    /// INTERPRET, section 9.20.
    Interpret,
    /// GET-RESULT, section 9.11.
    GetResult,
    /// START-INPUT-TIMERS, section 9.13.
    StartInputTimers,
    /// STOP, section 9.10.
    Stop,
    /// START-PHRASE-ENROLLMENT, section 9.15.
    StartPhraseEnrollment,
    /// ENROLLMENT-ROLLBACK, section 9.16.
    EnrollmentRollback,
    /// END-PHRASE-ENROLLMENT, section 9.17.
    EndPhraseEnrollment,
    /// MODIFY-PHRASE, section 9.18.
    ModifyPhrase,
    /// DELETE-PHRASE, section 9.19.
    DeletePhrase,
    /// Another resource's method, or none that exists: a token.
    Other(String),
}

impl Method {
    const NAMES: [(Self, &'static str); 13] = [
        (Self::SetParams, "SET-PARAMS"),
        (Self::GetParams, "GET-PARAMS"),
        (Self::DefineGrammar, "DEFINE-GRAMMAR"),
        (Self::Recognize, "RECOGNIZE"),
        (Self::Interpret, "INTERPRET"),
        (Self::GetResult, "GET-RESULT"),
        (Self::StartInputTimers, "START-INPUT-TIMERS"),
        (Self::Stop, "STOP"),
        (Self::StartPhraseEnrollment, "START-PHRASE-ENROLLMENT"),
        (Self::EnrollmentRollback, "ENROLLMENT-ROLLBACK"),
        (Self::EndPhraseEnrollment, "END-PHRASE-ENROLLMENT"),
        (Self::ModifyPhrase, "MODIFY-PHRASE"),
        (Self::DeletePhrase, "DELETE-PHRASE"),
    ];

    /// The method of that name, in any case: literal strings in ABNF have none.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::NAMES
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map_or_else(|| Self::Other(name.to_owned()), |(method, _)| method.clone())
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => Self::NAMES
                .iter()
                .find(|(method, _)| method == known)
                .map(|(_, name)| *name)
                .expect("every method but Other has a row in NAMES"),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventName {
    /// START-OF-INPUT, section 9.12.
    StartOfInput,
    /// RECOGNITION-COMPLETE, section 9.14.
    RecognitionComplete,
    /// INTERPRETATION-COMPLETE, section 9.21.
    InterpretationComplete,
    /// Another resource's event, or none that exists: a token.
    Other(String),
}

impl EventName {
    /// The event of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        [Self::StartOfInput, Self::RecognitionComplete, Self::InterpretationComplete]
            .into_iter()
            .find(|event| event.as_str().eq_ignore_ascii_case(name))
            .unwrap_or_else(|| Self::Other(name.to_owned()))
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::StartOfInput => "START-OF-INPUT",
            Self::RecognitionComplete => "RECOGNITION-COMPLETE",
            Self::InterpretationComplete => "INTERPRETATION-COMPLETE",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A response's status, RFC 6787 section 5.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// 200 Success.
    pub const SUCCESS: Self = Self(200);
    /// 201 Success with some optional header fields ignored.
    pub const SUCCESS_IGNORED: Self = Self(201);
    /// 401 Method not allowed.
    pub const METHOD_NOT_ALLOWED: Self = Self(401);
    /// 402 Method not valid in this state.
    pub const METHOD_NOT_VALID: Self = Self(402);
    /// 403 Unsupported header field.
    pub const UNSUPPORTED_HEADER: Self = Self(403);
    /// 404 Illegal value for header field: a syntax violation.
    pub const ILLEGAL_VALUE: Self = Self(404);
    /// 405 Resource not allocated for this session or does not exist.
    pub const NO_RESOURCE: Self = Self(405);
    /// 406 Mandatory header field missing.
    pub const MISSING_HEADER: Self = Self(406);
    /// 407 Method or operation failed.
    pub const FAILED: Self = Self(407);
    /// 408 Unrecognized or unsupported message entity.
    pub const UNSUPPORTED_ENTITY: Self = Self(408);
    /// 409 Unsupported header field value: legal, but beyond what this implementation does.
    pub const UNSUPPORTED_VALUE: Self = Self(409);
    /// 410 Non-monotonic or out-of-order sequence number in request.
    pub const OUT_OF_ORDER: Self = Self(410);
    /// 501 Server internal error.
    pub const INTERNAL_ERROR: Self = Self(501);
    /// 502 Protocol version not supported.
    pub const VERSION: Self = Self(502);
    /// 504 Message too large.
    pub const TOO_LARGE: Self = Self(504);

    /// Whether the request succeeded: 2xx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self.0, 200..=299)
    }

    /// The meaning, in the words of the RFC's table.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            200 => "success",
            201 => "success with some optional header fields ignored",
            401 => "method not allowed",
            402 => "method not valid in this state",
            403 => "unsupported header field",
            404 => "illegal value for header field",
            405 => "resource not allocated for this session or does not exist",
            406 => "mandatory header field missing",
            407 => "method or operation failed",
            408 => "unrecognized or unsupported message entity",
            409 => "unsupported header field value",
            410 => "non-monotonic or out-of-order sequence number in request",
            501 => "server internal error",
            502 => "protocol version not supported",
            504 => "message too large",
            _ => "unknown status",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// Why a recognition, or a grammar definition, ended: RFC 6787 section 9.4.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompletionCause(pub u16);

impl CompletionCause {
    /// 000: a match, or the grammar was defined.
    pub const SUCCESS: Self = Self(0);
    /// 001: no match.
    pub const NO_MATCH: Self = Self(1);
    /// 002: No-Input-Timeout ran out.
    pub const NO_INPUT_TIMEOUT: Self = Self(2);
    /// 003: hotword mode, Recognition-Timeout ran out without a match.
    pub const HOTWORD_MAXTIME: Self = Self(3);
    /// 004: a grammar could not be loaded.
    pub const GRAMMAR_LOAD_FAILURE: Self = Self(4);
    /// 005: a grammar could not be compiled.
    pub const GRAMMAR_COMPILATION_FAILURE: Self = Self(5);
    /// 006: the recognizer failed.
    pub const RECOGNIZER_ERROR: Self = Self(6);
    /// 007: speech was running when RECOGNIZE came.
    pub const SPEECH_TOO_EARLY: Self = Self(7);
    /// 008: Recognition-Timeout ran out, with a match.
    pub const SUCCESS_MAXTIME: Self = Self(8);
    /// 009: a URI could not be accessed.
    pub const URI_FAILURE: Self = Self(9);
    /// 010: the language is not supported.
    pub const LANGUAGE_UNSUPPORTED: Self = Self(10);
    /// 011: a new RECOGNIZE cancelled this one, or one before it in the queue failed.
    pub const CANCELLED: Self = Self(11);
    /// 012: recognized, but its meaning could not be computed.
    pub const SEMANTICS_FAILURE: Self = Self(12);
    /// 013: Speech-Incomplete-Timeout ran out on a partial match.
    pub const PARTIAL_MATCH: Self = Self(13);
    /// 014: Recognition-Timeout ran out on a partial match.
    pub const PARTIAL_MATCH_MAXTIME: Self = Self(14);
    /// 015: Recognition-Timeout ran out without a match.
    pub const NO_MATCH_MAXTIME: Self = Self(15);
    /// 016: a grammar could not be defined, for another reason than 004 and 005.
    pub const GRAMMAR_DEFINITION_FAILURE: Self = Self(16);

    /// The Cause-Name of the RFC's table; empty for a number that it does not have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "success",
            1 => "no-match",
            2 => "no-input-timeout",
            3 => "hotword-maxtime",
            4 => "grammar-load-failure",
            5 => "grammar-compilation-failure",
            6 => "recognizer-error",
            7 => "speech-too-early",
            8 => "success-maxtime",
            9 => "uri-failure",
            10 => "language-unsupported",
            11 => "cancelled",
            12 => "semantics-failure",
            13 => "partial-match",
            14 => "partial-match-maxtime",
            15 => "no-match-maxtime",
            16 => "grammar-definition-failure",
            _ => "",
        }
    }

    /// Reads `cause-code SP cause-name`; the name is not looked at, since the number says it.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let code = value.split_ascii_whitespace().next()?;
        let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| code.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for CompletionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.0, self.name())
    }
}
