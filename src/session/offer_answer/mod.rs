//! The answer to an offer: RFC 3264 over RFC 6787 sections 4.2 to 4.4, RFC 4145, RFC 4568 and RFC 8122.
//!
//! [`negotiate`] looks at an offer and makes a [`Plan`]: which control channels and which sound it wants. The caller
//! finds channel identifiers and RTP ports for them, and [`Plan::answer`] writes the answer and what was agreed, which
//! a later offer of the same session is held against by [`renegotiate`].

mod answer;
mod crypto;
mod setup;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use answer::capabilities;
pub use crypto::Crypto;
pub use setup::{answer_to_setup, audio_capabilities, offer_of_setup};

use crate::audio::codec::Codec;
use crate::wire::mrcp::{ChannelIdentifier, Resource};
use crate::wire::rtp::srtp::MasterKey;
use crate::wire::sdp::description::{RTP_AVP, RTP_SAVP, TCP_MRCPV2, TCP_TLS_MRCPV2};
use crate::wire::sdp::{Direction, Fingerprint, MediaDescription, MediaKind, RtpMap, SessionDescription, Setup};

/// What is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The codecs that are taken. Those that this build cannot decode are passed over.
    pub codecs: Vec<Codec>,
    /// Whose order of codecs decides.
    pub codec_order: CodecOrder,
    /// Whether a client that offers to share its connection may do so. If not, each session gets one of its own.
    pub share_connections: bool,
    /// Which transports control channels have.
    pub control: ControlTransports,
    /// Whether sound is encrypted.
    pub srtp: SrtpPolicy,
    /// Whether the keys in an offer are taken: they are no secret where the offer came over SIP without TLS.
    pub take_keys: bool,
}

impl Default for Config {
    /// All codecs in the offer's order, as RFC 3264 section 6.1 recommends; connections shared, as the clients expect.
    fn default() -> Self {
        Self {
            codecs: Codec::ALL.to_vec(),
            codec_order: CodecOrder::Offer,
            share_connections: true,
            control: ControlTransports::Tcp,
            srtp: SrtpPolicy::Optional,
            take_keys: true,
        }
    }
}

/// Which transports control channels have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlTransports {
    /// TCP alone.
    Tcp,
    /// TCP and TLS, as the client likes.
    Both,
    /// TLS alone.
    Tls,
}

impl ControlTransports {
    const fn has_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Both)
    }

    const fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Both)
    }
}

/// Whether sound is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never: RTP/AVP alone.
    Off,
    /// As the client likes.
    Optional,
    /// Always: RTP/SAVP alone.
    Required,
}

/// Whose order of codecs decides which of the common ones is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecOrder {
    /// The first one in the offer.
    Offer,
    /// The first one in [`Config::codecs`].
    Own,
}

/// Why an offer gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the SIP response.
    pub status: u16,
    /// The code of its Warning header (RFC 3261 section 20.43).
    pub warning: u16,
    /// What is wrong, in ASCII without quotes.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.status, self.warning, self.text)
    }
}

impl std::error::Error for Refusal {}

/// How one stream of sound flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Where the client receives, and mostly sends from; `None` if it told a name or no unicast address.
    pub remote: Option<SocketAddr>,
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone-events.
    pub telephone_event: Option<u8>,
    /// Milliseconds in a packet, where told.
    pub ptime_ms: Option<u32>,
    /// Seen from answerd: `recvonly`, or `inactive` when nothing will come (hold).
    pub direction: Direction,
    /// How it is encrypted; `None`: it is not.
    pub crypto: Option<Crypto>,
}

/// A control channel that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Which section of the description, from 0.
    pub section: usize,
    /// The section of the sound it works on; `None` if the client associates none (it cannot RECOGNIZE then).
    pub audio: Option<usize>,
    /// The channel it was before this offer; `None` for a new one.
    pub previous: Option<ChannelIdentifier>,
    /// Over TLS: the fingerprints of which the client's certificate must have one; with none, it needs no certificate.
    pub tls: Option<Vec<Fingerprint>>,
}

/// A stream of sound that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audio {
    /// Which section of the description, from 0.
    pub section: usize,
    /// How it flows.
    pub sound: Sound,
    /// The RTP port and how it flowed before this offer; `None` for a new one.
    pub previous: Option<(u16, Sound)>,
}

impl Audio {
    /// Whether this offer changes how a stream flows that was there before.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.previous.as_ref().is_some_and(|(_, before)| *before != self.sound)
    }
}

/// What becomes of one section of the offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// Accepted.
    Control(Control),
    /// Accepted.
    Audio(Audio),
    /// Declined, or removed by the client.
    Declined(Declined),
}

/// Why a section is declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    /// The warning that a refusal of the whole offer would have (RFC 3261 section 20.43).
    pub warning: u16,
    /// The reason, in ASCII without quotes.
    pub text: String,
}

/// Transport protocols, media types and media formats that are not had (RFC 3261 section 20.43).
const TRANSPORT: u16 = 302;
const MEDIA_TYPE: u16 = 304;
const MEDIA_FORMAT: u16 = 305;

fn declined(warning: u16, text: impl Into<String>) -> Declined {
    Declined { warning, text: text.into() }
}

/// What an offer wants and gets, section by section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    offer: SessionDescription,
    sections: Vec<Section>,
    share_connections: bool,
    previous: Option<Agreed>,
}

/// What the caller knows and the offer does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The address the client is told: of RTP and of the MRCP listener.
    pub address: IpAddr,
    /// The port of the MRCP listener; 0 if there is none.
    pub mrcp_port: u16,
    /// The port of the MRCP listener over TLS; 0 if there is none.
    pub mrcp_tls_port: u16,
    /// The fingerprint of the certificate shown there.
    pub fingerprint: Option<Fingerprint>,
    /// Random octets for a key of our own, new for each answer; as many as the longest key and salt have.
    pub random_key: MasterKey,
    /// The number of the session in `o=`. A later answer keeps that of the first.
    pub session_id: u64,
    /// Whether a connection from this client stands that it can share.
    pub existing_connection: bool,
    /// The same of a connection over TLS.
    pub existing_tls_connection: bool,
}

/// What offer and answer have agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The answer.
    pub answer: SessionDescription,
    session_id: u64,
    version: u64,
    sections: Vec<AgreedSection>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AgreedSection {
    Control(ChannelIdentifier),
    /// Port, sound, and the key of our own where it is encrypted.
    Audio(u16, Sound, Option<MasterKey>),
    None,
}

/// Looks at the first offer of a session.
///
/// # Errors
/// If nothing in it can be served.
pub fn negotiate(offer: &SessionDescription, config: &Config) -> Result<Plan, Refusal> {
    plan(offer, config, None)
}

/// Looks at a later offer of a session: sections that were there before keep their channels and ports.
///
/// # Errors
/// If nothing in it can be served although it asks for something. The session goes on as it was.
pub fn renegotiate(offer: &SessionDescription, config: &Config, agreed: &Agreed) -> Result<Plan, Refusal> {
    plan(offer, config, Some(agreed))
}

fn plan(offer: &SessionDescription, config: &Config, previous: Option<&Agreed>) -> Result<Plan, Refusal> {
    let before = |section: usize| previous.and_then(|agreed| agreed.sections.get(section));
    let mut recognizer = false;
    let mut sections: Vec<Section> = Vec::with_capacity(offer.media.len());
    for (section, media) in offer.media.iter().enumerate() {
        sections.push(match media.kind {
            _ if media.port == 0 => Section::Declined(declined(MEDIA_TYPE, "the client set its port to 0")),
            MediaKind::Application if media.is_control() => match control_tls(offer, media, recognizer, config) {
                Err(why) => Section::Declined(why),
                Ok(tls) => {
                    recognizer = true;
                    let previous = match before(section) {
                        Some(AgreedSection::Control(channel)) => Some(channel.clone()),
                        _ => None,
                    };
                    Section::Control(Control { section, audio: None, previous, tls })
                }
            },
            MediaKind::Audio => match sound(offer, media, config) {
                Ok(sound) => {
                    let previous = match before(section) {
                        Some(AgreedSection::Audio(port, before, _)) => Some((*port, before.clone())),
                        _ => None,
                    };
                    Section::Audio(Audio { section, sound, previous })
                }
                Err(why) => Section::Declined(why),
            },
            _ => Section::Declined(declined(
                MEDIA_TYPE,
                format!("media {} over {} is not known", printable(media.kind.as_str()), printable(&media.protocol)),
            )),
        });
    }
    associate(offer, &mut sections);
    let plan = Plan {
        offer: offer.clone(),
        sections,
        share_connections: config.share_connections,
        previous: previous.cloned(),
    };
    match plan.refusal() {
        Some(refusal) => Err(refusal),
        None => Ok(plan),
    }
}

/// What a control channel that is accepted has to do with TLS, as [`Control::tls`] tells it, or why it is declined.
fn control_tls(
    offer: &SessionDescription,
    media: &MediaDescription,
    has_recognizer: bool,
    config: &Config,
) -> Result<Option<Vec<Fingerprint>>, Declined> {
    let secure = media.protocol.eq_ignore_ascii_case(TCP_TLS_MRCPV2);
    if secure && !config.control.has_tls() || !secure && !config.control.has_tcp() {
        let served = if secure { TCP_MRCPV2 } else { TCP_TLS_MRCPV2 };
        let text = format!("control channels over {} are not served, only {served}", printable(&media.protocol));
        return Err(declined(TRANSPORT, text));
    }
    match media.setup() {
        None | Some(Setup::Active | Setup::ActPass) => {}
        Some(setup) => {
            let text = format!("setup:{} would have the server open the connection", setup.as_str());
            return Err(declined(TRANSPORT, text));
        }
    }
    // A section of a channel that stands may name the channel instead of the resource.
    let named = media.channel().and_then(|channel| channel.split_once('@')).map(|(_, resource)| resource);
    match media.resource().or(named) {
        None => return Err(declined(MEDIA_TYPE, "a control channel without a=resource")),
        Some(name) if Resource::from_name(name) != Some(Resource::SpeechRecog) => {
            let text = format!("resource {} is not available, speechrecog is", printable(name));
            return Err(declined(MEDIA_TYPE, text));
        }
        // RFC 6787 section 4.2: it is not possible to allocate more than one resource of each type.
        Some(_) if has_recognizer => return Err(declined(MEDIA_TYPE, "a session has one resource of each type")),
        Some(_) => {}
    }
    if !secure {
        return Ok(None);
    }
    let fingerprints = offer.fingerprints_of(media);
    if !fingerprints.is_empty() && !fingerprints.iter().any(Fingerprint::is_known) {
        return Err(declined(TRANSPORT, "no fingerprint has a known hash function: sha-256 is one"));
    }
    Ok(Some(fingerprints))
}

/// How an audio section would flow, or why it cannot.
fn sound(offer: &SessionDescription, media: &MediaDescription, config: &Config) -> Result<Sound, Declined> {
    let is = |protocols: [&str; 2]| protocols.iter().any(|known| media.protocol.eq_ignore_ascii_case(known));
    let served = match (is([RTP_AVP, "RTP/AVPF"]), is([RTP_SAVP, "RTP/SAVPF"]), config.srtp) {
        (true, _, SrtpPolicy::Off | SrtpPolicy::Optional) => Ok(false),
        (_, true, SrtpPolicy::Optional | SrtpPolicy::Required) => Ok(true),
        (_, _, SrtpPolicy::Off) => Err(RTP_AVP.to_owned()),
        (_, _, SrtpPolicy::Optional) => Err(format!("{RTP_AVP} and {RTP_SAVP}")),
        (_, _, SrtpPolicy::Required) => Err(RTP_SAVP.to_owned()),
    };
    let secure = served.map_err(|served| {
        declined(TRANSPORT, format!("audio over {} is not served, only {served}", printable(&media.protocol)))
    })?;
    let crypto = if !secure {
        None
    } else if config.take_keys {
        Some(Crypto::choose(media, config.srtp).map_err(|why| declined(TRANSPORT, why))?)
    } else {
        return Err(declined(TRANSPORT, "keys of SRTP are taken from SIP over TLS only"));
    };
    let (codec, payload_type) = choose_codec(media, config).ok_or_else(|| {
        let offered: Vec<_> = media.formats.iter().map(|format| format_name(media, format)).collect();
        let taken: Vec<_> = available(config).map(|codec| codec.to_string()).collect();
        let text = format!("no common codec: offered {}, taken {}", offered.join(" "), taken.join(" "));
        declined(MEDIA_FORMAT, text)
    })?;
    let direction = match offer.direction_of(media) {
        Direction::SendOnly | Direction::SendRecv => Direction::RecvOnly,
        // Nothing is ever sent, so a client that only receives gets nothing.
        Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
    };
    let remote = offer
        .connection_of(media)
        .and_then(|connection| connection.address.ip())
        .filter(|address| !address.is_unspecified() && !address.is_multicast())
        .map(|address| SocketAddr::new(address, media.port));
    Ok(Sound {
        remote,
        codec,
        payload_type,
        telephone_event: telephone_event(media, codec),
        ptime_ms: media.ptime().map(|ms| ms.clamp(*PTIME_MS.start(), *PTIME_MS.end())),
        direction,
        crypto,
    })
}

/// Packets that are asked for; the client sends as it likes in spite of it.
const PTIME_MS: std::ops::RangeInclusive<u32> = 10..=60;

fn available(config: &Config) -> impl Iterator<Item = Codec> + '_ {
    config.codecs.iter().copied().filter(|codec| codec.is_available())
}

fn choose_codec(media: &MediaDescription, config: &Config) -> Option<(Codec, u8)> {
    let offered: Vec<(Codec, u8)> = media
        .payload_types()
        .filter_map(|payload_type| {
            let codec = match media.rtpmap(payload_type) {
                Some(RtpMap { encoding_name, clock_rate, channels, .. }) => {
                    let channels = u8::try_from(channels.unwrap_or(1)).ok()?;
                    Codec::from_rtpmap(encoding_name, *clock_rate, channels)?
                }
                None => Codec::from_static_payload_type(payload_type)?,
            };
            Some((codec, payload_type))
        })
        .collect();
    match config.codec_order {
        CodecOrder::Offer => offered.into_iter().find(|(codec, _)| available(config).any(|taken| taken == *codec)),
        CodecOrder::Own => {
            available(config).find_map(|taken| offered.iter().copied().find(|(codec, _)| *codec == taken))
        }
    }
}

/// The payload type of telephone-events: the one with the codec's clock if there are several (RFC 4733 section 2.1).
fn telephone_event(media: &MediaDescription, codec: Codec) -> Option<u8> {
    let events = || {
        media.payload_types().filter_map(|payload_type| {
            media.rtpmap(payload_type).filter(|map| map.encoding_name.eq_ignore_ascii_case(TELEPHONE_EVENT))
        })
    };
    events().find(|map| map.clock_rate == codec.clock_rate()).or_else(|| events().next()).map(|map| map.payload_type)
}

const TELEPHONE_EVENT: &str = "telephone-event";

/// A format as a person knows it.
fn format_name(media: &MediaDescription, format: &str) -> String {
    match format.parse().ok().and_then(|payload_type| media.rtpmap(payload_type)) {
        Some(map) => format!("{}/{}", printable(&map.encoding_name), map.clock_rate),
        None => printable(format),
    }
}

/// Gives each control channel its sound by `cmid` and `mid`, and declines sound that none works on.
fn associate(offer: &SessionDescription, sections: &mut [Section]) {
    let audio: Vec<usize> = sections
        .iter()
        .enumerate()
        .filter_map(|(section, planned)| matches!(planned, Section::Audio(_)).then_some(section))
        .collect();
    let of_mid = |tag: &str| {
        audio.iter().copied().find(|section| offer.media.get(*section).and_then(MediaDescription::mid) == Some(tag))
    };
    // Sections that only say otherwise how the same sound may come: at one port, or plain in one and encrypted in the
    // other. The first one that can be served is taken.
    let port = |section: usize| offer.media.get(section).map(|media| media.port);
    let encrypted: Vec<bool> = audio.iter().map(|section| is_encrypted(sections, *section)).collect();
    let alternatives = match audio[..] {
        [only] => Some(only),
        [first, ref others @ ..] if others.iter().all(|other| port(*other) == port(first)) => Some(first),
        [first, _] if encrypted.first() != encrypted.last() => Some(first),
        _ => None,
    };
    let mut used = Vec::new();
    for (media, planned) in offer.media.iter().zip(sections.iter_mut()) {
        if let Section::Control(control) = planned {
            // RFC 6787 section 4.4 asks for cmid and mid; where there is one sound only, it is meant without them too.
            control.audio = media.cmids().find_map(of_mid).or(alternatives);
            used.extend(control.audio);
        }
    }
    for (section, planned) in sections.iter_mut().enumerate() {
        if matches!(planned, Section::Audio(_)) && !used.contains(&section) {
            *planned = Section::Declined(declined(MEDIA_TYPE, "no control channel works on this audio"));
        }
    }
}

fn is_encrypted(sections: &[Section], section: usize) -> bool {
    matches!(sections.get(section), Some(Section::Audio(audio)) if audio.sound.crypto.is_some())
}

impl Plan {
    /// What becomes of each section, in the offer's order.
    #[must_use]
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The control channels that are accepted.
    pub fn controls(&self) -> impl Iterator<Item = &Control> {
        self.sections.iter().filter_map(|section| match section {
            Section::Control(control) => Some(control),
            _ => None,
        })
    }

    /// The streams of sound that are accepted.
    pub fn audio(&self) -> impl Iterator<Item = &Audio> {
        self.sections.iter().filter_map(|section| match section {
            Section::Audio(audio) => Some(audio),
            _ => None,
        })
    }

    /// The channels that were there before this offer and are no more.
    pub fn removed_channels(&self) -> impl Iterator<Item = &ChannelIdentifier> {
        self.removed().filter_map(|section| match section {
            AgreedSection::Control(channel) => Some(channel),
            _ => None,
        })
    }

    /// The RTP ports that were there before this offer and are no more.
    pub fn removed_ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.removed().filter_map(|section| match section {
            AgreedSection::Audio(port, ..) => Some(*port),
            _ => None,
        })
    }

    fn removed(&self) -> impl Iterator<Item = &AgreedSection> {
        let before = self.previous.iter().flat_map(|agreed| &agreed.sections).enumerate();
        before
            .filter(|(section, before)| match (self.sections.get(*section), before) {
                (Some(Section::Control(_)), AgreedSection::Control(_)) => false,
                (Some(Section::Audio(_)), AgreedSection::Audio(..)) => false,
                _ => **before != AgreedSection::None,
            })
            .map(|(_, before)| before)
    }

    /// Why this plan is not worth an answer; `None` if it is.
    fn refusal(&self) -> Option<Refusal> {
        let asked = || self.offer.media.iter().zip(&self.sections).filter(|(media, _)| media.port != 0);
        // The reason of the first declined section of a kind, or one of the whole offer.
        let refuse = |of: &dyn Fn(&MediaDescription) -> bool, otherwise: &str| {
            let first = asked().find_map(|(media, section)| match section {
                Section::Declined(declined) if of(media) => Some(declined.clone()),
                _ => None,
            });
            let Declined { warning, text } = first.unwrap_or_else(|| declined(MEDIA_TYPE, otherwise));
            Some(Refusal { status: 488, warning, text })
        };
        let is_audio = |media: &MediaDescription| media.kind == MediaKind::Audio;
        match self.controls().next() {
            // Everything removed: a session that stands may be emptied before it ends.
            None if asked().next().is_none() && self.previous.is_some() => None,
            None => {
                refuse(&MediaDescription::is_control, "no control channel is offered (m=application 9 TCP/MRCPv2 1)")
            }
            // Sound that was offered and cannot be taken leaves a recognizer that can hear nothing.
            Some(Control { audio: None, .. }) if asked().any(|(media, _)| is_audio(media)) => {
                refuse(&is_audio, "no audio is associated with the recognizer")
            }
            Some(_) => None,
        }
    }
}

/// A client's word as it may stand in a header's quoted string.
fn printable(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '?' }).take(40).collect()
}
