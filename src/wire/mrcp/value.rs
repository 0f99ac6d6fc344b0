//! Header values, RFC 6787 sections 6.2, 9.4 and 15.

use std::fmt;

use nom::IResult;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while, take_while1};
use nom::character::complete::{char, none_of, one_of};
use nom::combinator::{all_consuming, map, opt, recognize, value, verify};
use nom::multi::{fold_many0, many0, separated_list1};
use nom::sequence::{delimited, pair, preceded, separated_pair};

use crate::wire::mrcp::RequestId;

/// The longest duration a header may ask for: a day. Longer ones are legal but unsupported (409).
pub const MAX_MILLISECONDS: u64 = 24 * 60 * 60 * 1000;

/// What is wrong with a header's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illegal {
    /// It is not what the grammar of the header allows: 404.
    Syntax,
    /// It is legal, but more than answerd does: 409.
    Unsupported,
}

/// Reads a BOOLEAN.
///
/// # Errors
/// [`Illegal::Syntax`] if it is neither `true` nor `false` (in any case).
pub fn boolean(text: &str) -> Result<bool, Illegal> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Illegal::Syntax),
    }
}

/// Reads a FLOAT: `*DIGIT ["." *DIGIT]` with at least one digit.
///
/// # Errors
/// [`Illegal::Syntax`] for anything else.
pub fn float(text: &str) -> Result<f32, Illegal> {
    let shape = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().filter(|byte| *byte == b'.').count() <= 1
        && text.bytes().any(|byte| byte.is_ascii_digit());
    if !shape {
        return Err(Illegal::Syntax);
    }
    text.parse().ok().filter(|number: &f32| number.is_finite()).ok_or(Illegal::Syntax)
}

/// Reads a FLOAT from 0.0 to 1.0.
///
/// # Errors
/// [`Illegal::Syntax`] if it is none, or outside that range.
pub fn fraction(text: &str) -> Result<f32, Illegal> {
    float(text).and_then(|number| if number <= 1.0 { Ok(number) } else { Err(Illegal::Syntax) })
}

/// Reads `1*19DIGIT`.
///
/// # Errors
/// [`Illegal::Syntax`] for anything else.
pub fn integer(text: &str) -> Result<u64, Illegal> {
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| Illegal::Syntax) } else { Err(Illegal::Syntax) }
}

/// Reads a duration in milliseconds.
///
/// # Errors
/// [`Illegal::Syntax`] if it is no number, [`Illegal::Unsupported`] above [`MAX_MILLISECONDS`].
pub fn milliseconds(text: &str) -> Result<u64, Illegal> {
    integer(text).and_then(|ms| if ms <= MAX_MILLISECONDS { Ok(ms) } else { Err(Illegal::Unsupported) })
}

/// Reads `request-id *("," request-id)`, with white space allowed around the commas.
///
/// # Errors
/// [`Illegal::Syntax`] for anything else.
pub fn request_ids(text: &str) -> Result<Vec<RequestId>, Illegal> {
    text.split(',').map(|id| RequestId::parse(id.trim()).ok_or(Illegal::Syntax)).collect()
}

/// Writes `text` as a quoted-string. Controls become spaces.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Reads a quoted-string; text that is not quoted is returned as it is.
#[must_use]
pub fn unquote(text: &str) -> String {
    match all_consuming(quoted_string).parse(text.trim()) {
        Ok((_, inner)) => inner,
        Err(_) => text.to_owned(),
    }
}

/// Whether `text` is one quoted-string and nothing else.
pub(super) fn is_quoted(text: &str) -> bool {
    all_consuming(quoted_string).parse(text).is_ok()
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c)
}

/// `quoted-string`; what it contains, without escapes.
fn quoted_string(input: &str) -> IResult<&str, String> {
    let inside = alt((preceded(char('\\'), map(nom::character::complete::anychar, Some)), map(none_of("\"\\"), Some)));
    delimited(
        char('"'),
        fold_many0(inside, String::new, |mut text, c: Option<char>| {
            text.extend(c);
            text
        }),
        char('"'),
    )
    .parse(input)
}

fn space(input: &str) -> IResult<&str, &str> {
    take_while(|c| c == ' ' || c == '\t').parse(input)
}

/// A media resource, RFC 6787 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// `speechrecog`
    SpeechRecog,
    /// `dtmfrecog`
    DtmfRecog,
    /// `speechsynth`
    SpeechSynth,
    /// `basicsynth`
    BasicSynth,
    /// `speakverify`
    SpeakVerify,
    /// `recorder`
    Recorder,
}

impl Resource {
    /// The resource type of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SpeechRecog, Self::DtmfRecog, Self::SpeechSynth, Self::BasicSynth, Self::SpeakVerify, Self::Recorder]
            .into_iter()
            .find(|resource| resource.as_str().eq_ignore_ascii_case(name))
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpeechRecog => "speechrecog",
            Self::DtmfRecog => "dtmfrecog",
            Self::SpeechSynth => "speechsynth",
            Self::BasicSynth => "basicsynth",
            Self::SpeakVerify => "speakverify",
            Self::Recorder => "recorder",
        }
    }
}

/// `channel-id = 1*alphanum "@" 1*alphanum`, RFC 6787 section 6.2.1: the MRCP session and the resource type.
///
/// Leniency: the session part may have any token character, since other servers' identifiers do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelIdentifier {
    text: String,
    at: usize,
}

impl ChannelIdentifier {
    /// The channel of `session` (alphanumeric) for `resource`.
    ///
    /// # Panics
    /// If `session` is empty or is no token: the server makes these identifiers itself.
    #[must_use]
    pub fn new(session: &str, resource: Resource) -> Self {
        Self::parse(&format!("{session}@{}", resource.as_str())).expect("a session identifier is a token")
    }

    /// Reads a channel identifier.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (session, resource) = text.split_once('@')?;
        let legal = !session.is_empty()
            && session.chars().all(is_token)
            && !resource.is_empty()
            && resource.bytes().all(|byte| byte.is_ascii_alphanumeric());
        legal.then(|| Self { text: text.to_owned(), at: session.len() })
    }

    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first part: the MRCP session, common to all channels of a SIP dialog.
    #[must_use]
    pub fn session(&self) -> &str {
        self.text.split_at_checked(self.at).map_or("", |(session, _)| session)
    }

    /// The second part; `None` for a resource that RFC 6787 does not have.
    #[must_use]
    pub fn resource(&self) -> Option<Resource> {
        self.text.split_once('@').and_then(|(_, resource)| Resource::from_name(resource))
    }
}

impl fmt::Display for ChannelIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `media-type-value`, RFC 6787 section 6.2.6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    pub essence: String,
    /// Parameters in order, names in lower case, values without quotes.
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads a media type.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let token = || take_while1(|c: char| is_token(c) || "#$&^|".contains(c));
        let essence = recognize((token(), char('/'), token()));
        let parameter = separated_pair(
            delimited(space, token(), space),
            char('='),
            delimited(space, alt((quoted_string, map(is_not("; \t\""), str::to_owned))), space),
        );
        let parameters = many0(preceded(pair(space, char(';')), map(opt(parameter), |found| found)));
        let (_, (_, essence, parameters, _)) = all_consuming((space, essence, parameters, space)).parse(text).ok()?;
        let parameters =
            parameters.into_iter().flatten().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        Some(Self { essence: essence.to_ascii_lowercase(), parameters })
    }

    /// A parameter's value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Vendor-Specific-Parameters, RFC 6787 section 6.2.16: pairs in order; a pair without `=` (in GET-PARAMS) has no value.
///
/// Leniency: a value that is not quoted may have any character but `;`, as `mod_unimrcp` sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VendorParameters(pub Vec<(String, Option<String>)>);

impl VendorParameters {
    /// Reads the pairs; an empty header has none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::default());
        }
        let name = verify(map(is_not("=;\""), str::trim), |name: &str| !name.is_empty());
        let quoted = delimited(space, quoted_string, space);
        let bare =
            map(verify(take_while(|c| c != ';'), |text: &str| !text.trim_start().starts_with('"')), |text: &str| {
                text.trim().to_owned()
            });
        let followed = nom::combinator::peek(alt((value((), char(';')), value((), nom::combinator::eof))));
        let quoted = nom::sequence::terminated(quoted, followed);
        let pair = pair(name, opt(preceded(char('='), alt((quoted, bare)))));
        let pairs = separated_list1(one_of(";"), pair);
        let (_, (pairs, _)) = all_consuming((pairs, opt(tag(";")))).parse(text).ok()?;
        Some(Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// A parameter's value; names are compared without regard to case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_deref())
    }

    /// Sets a parameter, in the place where it is if it is there.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some(pair) => pair.1 = Some(value.to_owned()),
            None => self.0.push((name.to_owned(), Some(value.to_owned()))),
        }
    }
}

impl fmt::Display for VendorParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(";")?;
            }
            f.write_str(name)?;
            match value.as_deref() {
                None => {}
                Some(value) if !value.is_empty() && value.chars().all(is_token) => write!(f, "={value}")?,
                Some(value) => write!(f, "={}", quote(value))?,
            }
        }
        Ok(())
    }
}
