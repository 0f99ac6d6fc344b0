//! Header fields, RFC 6787 sections 6.2 and 9.4: one table of all generic and recognizer headers.
//!
//! The table says of each header how its value is written and on which messages it may occur. A header is added by
//! adding a row; what the recognizer does with it is written in `session::mrcp::params`.

use std::fmt;

use crate::wire::mrcp::Kind;

/// A set of messages that a header may occur on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct On(u16);

impl On {
    /// SET-PARAMS and GET-PARAMS: the header is a parameter of the session.
    pub const PARAMS: Self = Self(1);
    /// DEFINE-GRAMMAR.
    pub const DEFINE_GRAMMAR: Self = Self(1 << 1);
    /// RECOGNIZE.
    pub const RECOGNIZE: Self = Self(1 << 2);
    /// INTERPRET.
    pub const INTERPRET: Self = Self(1 << 3);
    /// GET-RESULT.
    pub const GET_RESULT: Self = Self(1 << 4);
    /// START-INPUT-TIMERS.
    pub const START_INPUT_TIMERS: Self = Self(1 << 5);
    /// STOP.
    pub const STOP: Self = Self(1 << 6);
    /// The five methods of enrollment.
    pub const ENROLLMENT: Self = Self(1 << 7);
    /// Responses.
    pub const RESPONSE: Self = Self(1 << 8);
    /// START-OF-INPUT.
    pub const START_OF_INPUT: Self = Self(1 << 9);
    /// RECOGNITION-COMPLETE and INTERPRETATION-COMPLETE.
    pub const COMPLETE: Self = Self(1 << 10);
    /// Every request.
    pub const REQUEST: Self = Self(0xff);
    /// Every message.
    pub const ALL: Self = Self(0x7ff);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have a message in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

macro_rules! headers {
    ($($name:ident $text:literal $kind:ident $on:expr;)*) => {
        /// The headers that RFC 6787 gives to all resources (section 6.2) and to recognizers (9.4).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl HeaderName {
            /// All of them, in the order of the RFC.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            const fn row(self) -> (&'static str, Kind, On) {
                match self {
                    $(Self::$name => ($text, Kind::$kind, $on),)*
                }
            }
        }
    };
}

const PARAM: On = On::PARAMS.and(On::RECOGNIZE);
const PARAM_AND_RESULT: On = PARAM.and(On::GET_RESULT);
const ENROLL_PARAM: On = On::PARAMS.and(On::ENROLLMENT);

headers! {
    ChannelIdentifier "Channel-Identifier" ChannelIdentifier On::ALL;
    Accept "Accept" Accept On::REQUEST;
    ActiveRequestIdList "Active-Request-Id-List" RequestIds On::REQUEST.and(On::RESPONSE);
    ProxySyncId "Proxy-Sync-Id" Word On::START_OF_INPUT.and(On::COMPLETE);
    AcceptCharset "Accept-Charset" AcceptCharset On::REQUEST;
    ContentType "Content-Type" MediaType On::ALL;
    ContentId "Content-ID" ContentId On::ALL;
    ContentBase "Content-Base" AbsoluteUri On::ALL;
    ContentEncoding "Content-Encoding" ContentCodings On::ALL;
    ContentLocation "Content-Location" Uri On::ALL;
    ContentLength "Content-Length" Length On::ALL;
    FetchTimeout "Fetch-Timeout" Milliseconds PARAM.and(On::DEFINE_GRAMMAR);
    CacheControl "Cache-Control" CacheControl On::REQUEST;
    LoggingTag "Logging-Tag" Text On::PARAMS;
    SetCookie "Set-Cookie" Cookie On::ALL;
    SetCookie2 "Set-Cookie2" Cookie On::ALL; // Of the drafts only: UniMRCP's clients ask for it in GET-PARAMS.
    VendorSpecific "Vendor-Specific-Parameters" VendorParameters On::REQUEST.and(On::RESPONSE);
    ConfidenceThreshold "Confidence-Threshold" Fraction PARAM_AND_RESULT;
    SensitivityLevel "Sensitivity-Level" Fraction PARAM;
    SpeedVsAccuracy "Speed-Vs-Accuracy" Fraction PARAM;
    NBestListLength "N-Best-List-Length" Count PARAM_AND_RESULT;
    InputType "Input-Type" InputType On::START_OF_INPUT;
    NoInputTimeout "No-Input-Timeout" Milliseconds PARAM;
    RecognitionTimeout "Recognition-Timeout" Milliseconds PARAM;
    WaveformUri "Waveform-URI" WaveformUri On::COMPLETE.and(On::RESPONSE);
    InputWaveformUri "Input-Waveform-URI" Uri On::RECOGNIZE;
    CompletionCause "Completion-Cause" CompletionCause On::COMPLETE.and(On::RESPONSE);
    CompletionReason "Completion-Reason" Quoted On::COMPLETE.and(On::RESPONSE);
    RecognizerContextBlock "Recognizer-Context-Block" OptionalWord On::PARAMS;
    StartInputTimers "Start-Input-Timers" Boolean On::RECOGNIZE;
    SpeechCompleteTimeout "Speech-Complete-Timeout" Milliseconds PARAM;
    SpeechIncompleteTimeout "Speech-Incomplete-Timeout" Milliseconds PARAM;
    DtmfInterdigitTimeout "DTMF-Interdigit-Timeout" Milliseconds PARAM;
    DtmfTermTimeout "DTMF-Term-Timeout" Milliseconds PARAM;
    DtmfTermChar "DTMF-Term-Char" DtmfChar PARAM;
    FailedUri "Failed-URI" AbsoluteUri On::RESPONSE.and(On::COMPLETE);
    FailedUriCause "Failed-URI-Cause" Text On::RESPONSE.and(On::COMPLETE);
    SaveWaveform "Save-Waveform" Boolean PARAM;
    MediaType "Media-Type" MediaType PARAM;
    NewAudioChannel "New-Audio-Channel" Boolean On::RECOGNIZE;
    SpeechLanguage "Speech-Language" Language PARAM.and(On::DEFINE_GRAMMAR);
    VerBufferUtterance "Ver-Buffer-Utterance" Boolean On::RECOGNIZE;
    RecognitionMode "Recognition-Mode" RecognitionMode On::RECOGNIZE;
    CancelIfQueue "Cancel-If-Queue" Boolean On::RECOGNIZE;
    HotwordMaxDuration "Hotword-Max-Duration" Milliseconds On::RECOGNIZE;
    HotwordMinDuration "Hotword-Min-Duration" Milliseconds On::RECOGNIZE;
    InterpretText "Interpret-Text" Text On::INTERPRET;
    DtmfBufferTime "DTMF-Buffer-Time" Milliseconds On::PARAMS;
    ClearDtmfBuffer "Clear-DTMF-Buffer" Boolean On::RECOGNIZE;
    EarlyNoMatch "Early-No-Match" Boolean On::RECOGNIZE;
    NumMinConsistentPronunciations "Num-Min-Consistent-Pronunciations" Count ENROLL_PARAM;
    ConsistencyThreshold "Consistency-Threshold" Fraction ENROLL_PARAM;
    ClashThreshold "Clash-Threshold" Fraction ENROLL_PARAM;
    PersonalGrammarUri "Personal-Grammar-URI" Uri ENROLL_PARAM;
    EnrollUtterance "Enroll-Utterance" Boolean On::RECOGNIZE;
    PhraseId "Phrase-ID" Text On::ENROLLMENT.and(On::COMPLETE);
    PhraseNl "Phrase-NL" Text On::ENROLLMENT;
    Weight "Weight" Float On::ENROLLMENT;
    SaveBestWaveform "Save-Best-Waveform" Boolean ENROLL_PARAM;
    NewPhraseId "New-Phrase-ID" Text On::ENROLLMENT;
    ConfusablePhrasesUri "Confusable-Phrases-URI" Uri On::RECOGNIZE;
    AbortPhraseEnrollment "Abort-Phrase-Enrollment" Boolean On::ENROLLMENT;
}

impl HeaderName {
    /// The spelling of the RFC.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// How the value is written.
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.row().1
    }

    /// The messages that the header may occur on.
    #[must_use]
    pub const fn on(self) -> On {
        self.row().2
    }

    /// The header of that name, in any case (section 6.2).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|header| header.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A header's name as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldName {
    /// A header of the table.
    Known(HeaderName),
    /// Another one: a token.
    Other(String),
}

impl FieldName {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(name) => name.as_str(),
            Self::Other(name) => name,
        }
    }
}

/// One header: name and value, the value unfolded and without white space at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Name.
    pub name: FieldName,
    /// Value as it came; [`Kind::check`] tells whether it is legal.
    pub value: String,
}

/// A message's headers in their order, without Channel-Identifier and Content-Length, which the message has itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<Field>);

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a header at the end. Line ends and other controls in the value become spaces: a value is one line.
    pub fn push(&mut self, name: HeaderName, value: impl Into<String>) {
        self.push_field(FieldName::Known(name), value.into());
    }

    /// Adds a header by name, of the table or not.
    pub fn push_named(&mut self, name: &str, value: impl Into<String>) {
        let name = HeaderName::from_name(name).map_or_else(|| FieldName::Other(name.to_owned()), FieldName::Known);
        self.push_field(name, value.into());
    }

    /// Adds a header as it is.
    pub fn push_field(&mut self, name: FieldName, value: String) {
        let value = if value.contains(|c: char| c.is_ascii_control() && c != '\t') {
            value.replace(|c: char| c.is_ascii_control(), " ")
        } else {
            value
        };
        self.0.push(Field { name, value: value.trim_matches([' ', '\t']).to_owned() });
    }

    /// Adds a value to the list of the header of that name, or the header.
    pub(super) fn push_to_list(&mut self, name: HeaderName, value: String) {
        match self.0.iter_mut().find(|field| field.name == FieldName::Known(name)) {
            Some(field) if field.value.is_empty() => field.value = value,
            Some(_) if value.is_empty() => {}
            Some(field) => field.value.extend([", ", &value]),
            None => self.push(name, value),
        }
    }

    /// The value of the first header of that name.
    #[must_use]
    pub fn get(&self, name: HeaderName) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all headers of that name, in order.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |field| field.name == FieldName::Known(name)).map(|field| field.value.as_str())
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// Number of headers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the value of the first header of that name, if there is one.
    pub fn replace(&mut self, name: HeaderName, value: impl Into<String>) {
        if let Some(field) = self.0.iter_mut().find(|field| field.name == FieldName::Known(name)) {
            field.value = value.into();
        }
    }

    /// Takes the last header but one away.
    pub(super) fn remove_before_last(&mut self) -> Option<Field> {
        let index = self.0.len().checked_sub(2)?;
        Some(self.0.remove(index))
    }

    /// Takes the last header away.
    pub fn pop(&mut self) -> Option<Field> {
        self.0.pop()
    }
}
