//! Keys of SRTP in offers and answers, RFC 4568 sections 5.1 and 6.

use crate::session::offer_answer::SrtpPolicy;
use crate::wire::rtp::srtp::{Bare, MasterKey, Parameters, Suite};
use crate::wire::sdp::{self, InlineKey, MediaDescription};

/// The `a=crypto` line of an offer that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Its tag, which the answer repeats.
    pub tag: u32,
    /// What the client protects its packets with.
    pub parameters: Parameters,
}

/// Longest life of a key, in packets: RFC 3711 section 9.2.
const MAX_LIFETIME: u64 = 1 << 48;
/// Smallest replay window that may be asked for, RFC 4568 section 6.3.6.
const MIN_WINDOW: u64 = 64;

impl Crypto {
    /// The first line that can be served, or why none can.
    pub(super) fn choose(media: &MediaDescription, policy: SrtpPolicy) -> Result<Self, String> {
        let mut first = None;
        for line in media.cryptos() {
            match read(line, policy) {
                Ok(taken) => return Ok(taken),
                Err(why) => drop(first.get_or_insert_with(|| format!("crypto {}: {why}", line.tag))),
            }
        }
        Err(first.unwrap_or_else(|| format!("{} without a=crypto", media.protocol)))
    }

    /// The line of the answer: the same suite, and a key of our own.
    pub(super) fn answer(&self, own: &MasterKey) -> sdp::Crypto {
        let Bare { unencrypted_srtp, unencrypted_srtcp, unauthenticated_srtp } = self.parameters.bare;
        let agreed = [
            (unencrypted_srtp, UNENCRYPTED_SRTP),
            (unencrypted_srtcp, UNENCRYPTED_SRTCP),
            (unauthenticated_srtp, UNAUTHENTICATED_SRTP),
        ];
        sdp::Crypto {
            tag: self.tag,
            suite: self.parameters.suite.as_str().to_owned(),
            keys: vec![InlineKey { key: own.clone(), lifetime: None, mki: None }],
            parameters: agreed.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned()).collect(),
        }
    }

    /// A key of the suite's length out of random octets.
    pub(super) fn own_key(&self, random: &MasterKey) -> MasterKey {
        let length = self.parameters.suite.master_length();
        MasterKey::new(random.as_bytes().iter().copied().take(length).collect())
    }
}

const UNENCRYPTED_SRTP: &str = "UNENCRYPTED_SRTP";
const UNENCRYPTED_SRTCP: &str = "UNENCRYPTED_SRTCP";
const UNAUTHENTICATED_SRTP: &str = "UNAUTHENTICATED_SRTP";

fn read(line: &sdp::Crypto, policy: SrtpPolicy) -> Result<Crypto, &'static str> {
    let suite = Suite::from_name(&line.suite).ok_or("its suite is not had")?;
    let mut keys: Vec<(MasterKey, Vec<u8>)> = Vec::with_capacity(line.keys.len());
    for InlineKey { key, lifetime, mki } in &line.keys {
        if key.as_bytes().len() != suite.master_length() {
            return Err("its key has not the suite's length");
        }
        if lifetime.is_some_and(|packets| packets == 0 || packets > MAX_LIFETIME) {
            return Err("its key's lifetime is not from 1 to 2^48");
        }
        keys.push((key.clone(), mki.clone().unwrap_or_default()));
    }
    // RFC 4568 section 6.1: several keys are told apart by identifiers of one length.
    if let [(_, first), others @ ..] = &keys[..]
        && !others.is_empty()
    {
        let alike = others.iter().all(|(_, mki)| mki.len() == first.len());
        let distinct = keys.iter().enumerate().all(|(n, (_, mki))| keys.iter().take(n).all(|(_, other)| other != mki));
        if first.is_empty() || !alike || !distinct {
            return Err("its keys can't be told apart");
        }
    }
    let bare = bare(&line.parameters)?;
    if bare != Bare::default() {
        if policy == SrtpPolicy::Required {
            return Err("encryption and authentication are required");
        }
        // RFC 7714 section 14.3.
        if suite.is_aead() {
            return Err("its suite does not go without encryption or authentication");
        }
    }
    Ok(Crypto { tag: line.tag, parameters: Parameters { suite, keys, bare } })
}

/// Session parameters, RFC 4568 section 6.3.
fn bare(parameters: &[String]) -> Result<Bare, &'static str> {
    let mut bare = Bare::default();
    for parameter in parameters {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter.as_str(), None),
        };
        let number = || value.and_then(|value| value.parse::<u64>().ok());
        match name.to_ascii_uppercase().as_str() {
            UNENCRYPTED_SRTP if value.is_none() => bare.unencrypted_srtp = true,
            UNENCRYPTED_SRTCP if value.is_none() => bare.unencrypted_srtcp = true,
            UNAUTHENTICATED_SRTP if value.is_none() => bare.unauthenticated_srtp = true,
            "KDR" if number() == Some(0) => {}
            "KDR" => return Err("keys are derived once only (KDR)"),
            "WSH" if number().is_some_and(|window| window >= MIN_WINDOW) => {}
            // No stream of forward error correction is ever taken: neither its order nor its keys matter.
            "FEC_ORDER" | "FEC_KEY" if value.is_some() => {}
            // Section 6.3.7: what begins so need not be understood.
            optional if optional.starts_with('-') => {}
            _ => return Err("a session parameter is not known"),
        }
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";

    fn choose(lines: &[String], policy: SrtpPolicy) -> Result<Crypto, String> {
        let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\n")).collect();
        let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 4000 RTP/SAVP 0\n{lines}");
        Crypto::choose(&sdp::parse(text.as_bytes()).unwrap().media[0], policy)
    }

    fn one(suite: &str, rest: &str) -> Result<Crypto, String> {
        choose(&[format!("1 {suite} inline:{KEY}{rest}")], SrtpPolicy::Optional)
    }

    const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

    #[test]
    fn the_first_line_that_can_be_served_is_taken() {
        let lines = [
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("2 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"),
            format!("3 aes_cm_128_hmac_sha1_32 inline:{KEY}|2^20 WSH=128"),
            format!("4 {SUITE} inline:{KEY}"),
        ];
        let taken = choose(&lines, SrtpPolicy::Required).unwrap();
        assert_eq!((taken.tag, taken.parameters.suite), (3, Suite::AesCm128HmacSha1_32));
        let own = taken.own_key(&MasterKey::new((0..46).collect()));
        assert_eq!(taken.answer(&own).to_string(), format!("3 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"));
        let why = choose(&lines[..2], SrtpPolicy::Optional).unwrap_err();
        assert_eq!(why, "crypto 1: its suite is not had");
        assert_eq!(choose(&[], SrtpPolicy::Optional).unwrap_err(), "RTP/SAVP without a=crypto");
    }

    #[test]
    fn what_is_left_out_is_agreed_on_or_refused() {
        let taken = one(SUITE, " UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP").unwrap();
        let all = Bare { unencrypted_srtp: true, unencrypted_srtcp: true, unauthenticated_srtp: true };
        assert_eq!(taken.parameters.bare, all);
        let answer = taken.answer(&MasterKey::new(vec![0; 30])).to_string();
        assert!(answer.ends_with(" UNENCRYPTED_SRTP UNENCRYPTED_SRTCP UNAUTHENTICATED_SRTP"), "{answer}");
        let line = format!("1 {SUITE} inline:{KEY} UNENCRYPTED_SRTCP");
        assert!(choose(&[line], SrtpPolicy::Required).unwrap_err().contains("required"));
        let gcm = "1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==";
        assert!(choose(&[gcm.to_owned()], SrtpPolicy::Optional).is_ok());
        assert!(choose(&[format!("{gcm} UNENCRYPTED_SRTP")], SrtpPolicy::Optional).is_err());
    }

    #[test]
    fn session_parameters_are_understood_or_the_line_is_refused() {
        for good in [" KDR=0", " WSH=64", " FEC_ORDER=SRTP_FEC", " -X", " -KDR=5", "|2^48", "|1:4", "|2^31|7:1"] {
            assert!(one(SUITE, good).is_ok(), "{good}");
        }
        for wrong in [" KDR=1", " KDR", " WSH=63", " WSH", " X", " X=1", " UNENCRYPTED_SRTP=1", "|0", "|2^49"] {
            assert!(one(SUITE, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_keys_have_identifiers() {
        let two = |first: &str, second: &str| one(SUITE, &format!("{first};inline:{KEY}{second}"));
        let taken = two("|1:2", "|2:2").unwrap();
        assert_eq!(taken.parameters.keys.iter().map(|(_, mki)| &mki[..]).collect::<Vec<_>>(), [[0, 1], [0, 2]]);
        for (first, second) in [("", ""), ("|1:2", ""), ("|1:2", "|1:2"), ("|1:2", "|2:1")] {
            assert!(two(first, second).is_err(), "{first} {second}");
        }
    }
}
