//! The answer's description, RFC 3264 section 6 and RFC 6787 section 4.3.

use std::net::IpAddr;

use crate::session::offer_answer::{
    Agreed, AgreedSection, Config, Local, Plan, Section, Sound, SrtpPolicy, TELEPHONE_EVENT, available,
};
use crate::wire::mrcp::{ChannelIdentifier, Resource};
use crate::wire::rtp::srtp::MasterKey;
use crate::wire::sdp::description::{RTP_AVP, RTP_SAVP, TCP_MRCPV2, TCP_TLS_MRCPV2};
use crate::wire::sdp::{
    Address, Attribute, Connection, ConnectionReuse, Fmtp, MediaDescription, MediaKind, Origin, RtpMap,
    SessionDescription, Setup,
};

impl Plan {
    /// Writes the answer. `channels` and `ports` give, by section, the identifiers and RTP ports for what is new; what
    /// was there before keeps its own. A section for which nothing is given is declined.
    #[must_use]
    pub fn answer(&self, local: &Local, ports: &[(usize, u16)], channels: &[(usize, ChannelIdentifier)]) -> Agreed {
        let mut media = Vec::with_capacity(self.sections.len());
        let mut sections = Vec::with_capacity(self.sections.len());
        for (section, (offered, planned)) in self.offer.media.iter().zip(&self.sections).enumerate() {
            let (answered, agreed) = match planned {
                Section::Control(control) => {
                    let given = channels.iter().find(|(at, _)| *at == section).map(|(_, channel)| channel);
                    match control.previous.as_ref().or(given) {
                        Some(channel) => {
                            (self.control_answer(offered, channel, local), AgreedSection::Control(channel.clone()))
                        }
                        None => (declined_answer(offered), AgreedSection::None),
                    }
                }
                Section::Audio(audio) => {
                    let given = ports.iter().find(|(at, _)| *at == section).map(|(_, port)| *port);
                    match audio.previous.as_ref().map(|(port, _)| *port).or(given) {
                        Some(port) => {
                            let key = self.own_key(section, &audio.sound, local);
                            let answered = audio_answer(offered, &audio.sound, port, key.as_ref());
                            (answered, AgreedSection::Audio(port, audio.sound.clone(), key))
                        }
                        None => (declined_answer(offered), AgreedSection::None),
                    }
                }
                Section::Declined(_) => (declined_answer(offered), AgreedSection::None),
            };
            media.push(answered);
            sections.push(agreed);
        }
        let times = if self.offer.times.is_empty() { vec!["0 0".to_owned()] } else { self.offer.times.clone() };
        let (session_id, before) = match &self.previous {
            Some(agreed) => (agreed.session_id, Some(agreed)),
            None => (local.session_id, None),
        };
        let describe = |version: u64| SessionDescription {
            origin: Origin {
                username: "answerd".to_owned(),
                session_id: session_id.to_string(),
                session_version: version.to_string(),
                address: Address::Ip(local.address),
            },
            name: "-".to_owned(),
            connection: Some(Connection::new(local.address)),
            times: times.clone(),
            attributes: Vec::new(),
            other: Vec::new(),
            media: media.clone(),
        };
        // RFC 3264 section 8: one more if the description changed, the same if not.
        let version = match before {
            None => 1,
            Some(agreed) if describe(agreed.version) == agreed.answer => agreed.version,
            Some(agreed) => agreed.version + 1,
        };
        Agreed { answer: describe(version), session_id, version, sections }
    }

    /// The key of our own where sound is encrypted: the one from before while the client's line is the same.
    fn own_key(&self, section: usize, sound: &Sound, local: &Local) -> Option<MasterKey> {
        let crypto = sound.crypto.as_ref()?;
        match self.previous.as_ref().and_then(|agreed| agreed.sections.get(section)) {
            Some(AgreedSection::Audio(_, before, Some(key))) if before.crypto.as_ref() == Some(crypto) => {
                Some(key.clone())
            }
            _ => Some(crypto.own_key(&local.random_key)),
        }
    }

    fn control_answer(
        &self,
        offered: &MediaDescription,
        channel: &ChannelIdentifier,
        local: &Local,
    ) -> MediaDescription {
        let secure = offered.protocol.eq_ignore_ascii_case(TCP_TLS_MRCPV2);
        let port = if secure { local.mrcp_tls_port } else { local.mrcp_port };
        let existing = if secure { local.existing_tls_connection } else { local.existing_connection };
        let mut answer =
            MediaDescription::new(MediaKind::Application, port, &offered.protocol, offered.formats.clone());
        answer.attributes.push(Attribute::Setup(Setup::Passive));
        let reuse = match offered.connection_reuse() {
            Some(ConnectionReuse::Existing) if self.share_connections && existing => Some(ConnectionReuse::Existing),
            Some(_) => Some(ConnectionReuse::New),
            // A later offer that does not speak of the connection leaves it as it is (RFC 6787 section 4.3).
            None if self.previous.is_some() => None,
            None => Some(ConnectionReuse::New),
        };
        answer.attributes.extend(reuse.map(Attribute::Connection));
        if secure {
            answer.attributes.extend(local.fingerprint.clone().map(Attribute::Fingerprint));
        }
        answer.attributes.push(Attribute::Channel(channel.to_string()));
        answer.attributes.extend(offered.cmids().map(|tag| Attribute::Cmid(tag.to_owned())));
        answer
    }
}

fn audio_answer(offered: &MediaDescription, sound: &Sound, port: u16, key: Option<&MasterKey>) -> MediaDescription {
    let Sound { codec, payload_type, telephone_event, ptime_ms, direction, .. } = sound;
    let event = telephone_event.and_then(|event| offered.rtpmap(event));
    let formats = std::iter::once(*payload_type).chain(*telephone_event).map(|format| format.to_string()).collect();
    let mut answer = MediaDescription::new(MediaKind::Audio, port, &offered.protocol, formats);
    answer.attributes.push(Attribute::RtpMap(RtpMap {
        payload_type: *payload_type,
        encoding_name: codec.encoding_name().to_owned(),
        clock_rate: codec.clock_rate(),
        channels: (codec.channels() > 1).then(|| codec.channels().into()),
    }));
    if let Some(event) = event {
        answer.attributes.push(Attribute::RtpMap(event.clone()));
        let keys = Fmtp { payload_type: event.payload_type, parameters: "0-15".to_owned() };
        answer.attributes.push(Attribute::Fmtp(keys));
    }
    if let (Some(crypto), Some(key)) = (&sound.crypto, key) {
        answer.attributes.push(Attribute::Crypto(crypto.answer(key)));
    }
    answer.attributes.push(Attribute::Direction(*direction));
    answer.attributes.extend(ptime_ms.map(Attribute::Ptime));
    answer.attributes.extend(offered.mid().map(|tag| Attribute::Mid(tag.to_owned())));
    answer
}

/// RFC 3264 section 6: port 0, and of the rest as much as keeps the line well formed.
fn declined_answer(offered: &MediaDescription) -> MediaDescription {
    let mut answer = MediaDescription::new(offered.kind.clone(), 0, &offered.protocol, offered.formats.clone());
    answer.attributes.extend(offered.cmids().map(|tag| Attribute::Cmid(tag.to_owned())));
    answer.attributes.extend(offered.mid().map(|tag| Attribute::Mid(tag.to_owned())));
    answer
}

/// What answerd serves, for the answer to OPTIONS (RFC 6787 section 7).
#[must_use]
pub fn capabilities(config: &Config, address: IpAddr) -> SessionDescription {
    let resource = Attribute::Resource(Resource::SpeechRecog.as_str().to_owned());
    let control = |protocol| MediaDescription {
        attributes: vec![resource.clone()],
        ..MediaDescription::new(MediaKind::Application, 0, protocol, vec!["1".to_owned()])
    };
    let dynamic = (96u8..).filter(|number| *number != EVENT_PAYLOAD_TYPE);
    let maps: Vec<RtpMap> = available(config)
        .zip(dynamic)
        .map(|(codec, dynamic)| RtpMap {
            payload_type: codec.static_payload_type().unwrap_or(dynamic),
            encoding_name: codec.encoding_name().to_owned(),
            clock_rate: codec.clock_rate(),
            channels: (codec.channels() > 1).then(|| codec.channels().into()),
        })
        .chain([RtpMap {
            payload_type: EVENT_PAYLOAD_TYPE,
            encoding_name: TELEPHONE_EVENT.to_owned(),
            clock_rate: 8000,
            channels: None,
        }])
        .collect();
    let formats: Vec<String> = maps.iter().map(|map| map.payload_type.to_string()).collect();
    let audio = |protocol| MediaDescription {
        attributes: maps.iter().cloned().map(Attribute::RtpMap).collect(),
        ..MediaDescription::new(MediaKind::Audio, 0, protocol, formats.clone())
    };
    let transports = [(config.control.has_tls(), TCP_TLS_MRCPV2), (config.control.has_tcp(), TCP_MRCPV2)];
    let profiles = [(config.srtp != SrtpPolicy::Off, RTP_SAVP), (config.srtp != SrtpPolicy::Required, RTP_AVP)];
    let controls = transports.into_iter().filter(|(had, _)| *had).map(|(_, protocol)| control(protocol));
    let audios = profiles.into_iter().filter(|(had, _)| *had).map(|(_, protocol)| audio(protocol));
    SessionDescription {
        origin: Origin {
            username: "answerd".to_owned(),
            session_id: "0".to_owned(),
            session_version: "0".to_owned(),
            address: Address::Ip(address),
        },
        name: "-".to_owned(),
        connection: Some(Connection::new(address)),
        times: vec!["0 0".to_owned()],
        attributes: Vec::new(),
        other: Vec::new(),
        media: controls.chain(audios).collect(),
    }
}

const EVENT_PAYLOAD_TYPE: u8 = 101;
