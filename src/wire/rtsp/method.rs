//! Methods and status codes, RFC 2326 sections 6.1, 7.1.1, 10 and 11.

use std::fmt;

/// A request's method. Names are case-sensitive, RFC 2326 section 6.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// DESCRIBE, section 10.2.
    Describe,
    /// ANNOUNCE, section 10.3; carries MRCPv1 messages, RFC 4463 section 3.2.
    Announce,
    /// GET_PARAMETER, section 10.8.
    GetParameter,
    /// OPTIONS, section 10.1.
    Options,
    /// PAUSE, section 10.6.
    Pause,
    /// PLAY, section 10.5.
    Play,
    /// RECORD, section 10.11.
    Record,
    /// REDIRECT, section 10.10.
    Redirect,
    /// SETUP, section 10.4.
    Setup,
    /// SET_PARAMETER, section 10.9.
    SetParameter,
    /// TEARDOWN, section 10.7.
    Teardown,
    /// Another one: a token.
    Other(String),
}

impl Method {
    const NAMES: [(Self, &'static str); 11] = [
        (Self::Describe, "DESCRIBE"),
        (Self::Announce, "ANNOUNCE"),
        (Self::GetParameter, "GET_PARAMETER"),
        (Self::Options, "OPTIONS"),
        (Self::Pause, "PAUSE"),
        (Self::Play, "PLAY"),
        (Self::Record, "RECORD"),
        (Self::Redirect, "REDIRECT"),
        (Self::Setup, "SETUP"),
        (Self::SetParameter, "SET_PARAMETER"),
        (Self::Teardown, "TEARDOWN"),
    ];

    /// The method of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let known = Self::NAMES.iter().find(|(_, known)| *known == name);
        known.map_or_else(|| Self::Other(name.to_owned()), |(method, _)| method.clone())
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

/// A response's status, RFC 2326 section 7.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// 200 OK.
    pub const OK: Self = Self(200);
    /// 400 Bad Request: malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// 404 Not Found: no such resource.
    pub const NOT_FOUND: Self = Self(404);
    /// 405 Method Not Allowed on that resource; Allow tells which are.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 406 Not Acceptable: nothing that Accept allows can be had.
    pub const NOT_ACCEPTABLE: Self = Self(406);
    /// 413 Request Entity Too Large.
    pub const ENTITY_TOO_LARGE: Self = Self(413);
    /// 415 Unsupported Media Type.
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(415);
    /// 451 Parameter Not Understood.
    pub const PARAMETER_NOT_UNDERSTOOD: Self = Self(451);
    /// 453 Not Enough Bandwidth.
    pub const NOT_ENOUGH_BANDWIDTH: Self = Self(453);
    /// 454 Session Not Found.
    pub const SESSION_NOT_FOUND: Self = Self(454);
    /// 455 Method Not Valid in This State.
    pub const METHOD_NOT_VALID: Self = Self(455);
    /// 461 Unsupported Transport.
    pub const UNSUPPORTED_TRANSPORT: Self = Self(461);
    /// 500 Internal Server Error.
    pub const INTERNAL_ERROR: Self = Self(500);
    /// 501 Not Implemented: the method is not known.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// 503 Service Unavailable; Retry-After tells when to come again.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    /// 505 RTSP Version not supported.
    pub const VERSION: Self = Self(505);
    /// 551 Option not supported; Unsupported tells which.
    pub const OPTION_NOT_SUPPORTED: Self = Self(551);

    /// Whether the request succeeded: 2xx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self.0, 200..=299)
    }

    /// The usual phrase.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self.0 {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            408 => "Request Time-out",
            413 => "Request Entity Too Large",
            415 => "Unsupported Media Type",
            451 => "Parameter Not Understood",
            453 => "Not Enough Bandwidth",
            454 => "Session Not Found",
            455 => "Method Not Valid in This State",
            461 => "Unsupported Transport",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            505 => "RTSP Version not supported",
            551 => "Option not supported",
            _ => match self.0 / 100 {
                1 => "Continue",
                2 => "OK",
                3 => "Redirection",
                4 => "Client Error",
                _ => "Server Error",
            },
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}
