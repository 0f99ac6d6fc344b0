//! Keys and certificates in attributes: `crypto`, RFC 4568 section 9, and `fingerprint`, RFC 8122 section 5.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest;

use crate::wire::rtp::srtp::MasterKey;

/// `a=crypto`: what protects the media that its writer sends. Its debug form shows no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Tells the line from the others of its section.
    pub tag: u32,
    /// The crypto-suite, as written.
    pub suite: String,
    /// The keys; one at least.
    pub keys: Vec<InlineKey>,
    /// Session parameters, as written.
    pub parameters: Vec<String>,
}

/// One `inline:` key, RFC 4568 section 6.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineKey {
    /// Master key and master salt.
    pub key: MasterKey,
    /// For how many packets it is good, where told.
    pub lifetime: Option<u64>,
    /// What packets under this key are marked with, where told; 1 to 128 octets.
    pub mki: Option<Vec<u8>>,
}

/// `a=fingerprint` of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function's name, in lower case: `sha-256`.
    pub hash: String,
    /// The hash.
    pub octets: Vec<u8>,
}

/// With or without padding it is the same key; without is wrong, but seen.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Longest key that is read: more than any suite has.
const MAX_KEY: usize = 128;
/// Most keys in a line.
const MAX_KEYS: usize = 8;

impl Crypto {
    /// Reads what follows `crypto:`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let tag = words.next().filter(|word| word.len() <= 9 && is_number(word))?.parse().ok()?;
        let suite = words.next().filter(|word| is_name(word))?;
        let keys: Vec<InlineKey> = words.next()?.split(';').map(InlineKey::parse).collect::<Option<_>>()?;
        let parameters = words.map(str::to_owned).collect();
        (keys.len() <= MAX_KEYS).then(|| Self { tag, suite: suite.to_owned(), keys, parameters })
    }
}

impl InlineKey {
    fn parse(text: &str) -> Option<Self> {
        let (method, info) = text.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") {
            return None;
        }
        let mut parts = info.split('|');
        let key = BASE64.decode(parts.next()?).ok().filter(|key| (1..=MAX_KEY).contains(&key.len()))?;
        let mut read = Self { key: MasterKey::new(key), lifetime: None, mki: None };
        let mut next = parts.next();
        if let Some(part) = next.filter(|part| !part.contains(':')) {
            read.lifetime = Some(lifetime(part)?);
            next = parts.next();
        }
        if let Some(part) = next {
            read.mki = Some(mki(part)?);
        }
        parts.next().is_none().then_some(read)
    }
}

/// `2^20` or `1048576`.
fn lifetime(text: &str) -> Option<u64> {
    match text.strip_prefix("2^") {
        Some(exponent) if is_number(exponent) => 1u64.checked_shl(exponent.parse().ok()?),
        Some(_) => None,
        None if is_number(text) => text.parse().ok(),
        None => None,
    }
}

/// `1:4`: the number 1 in four octets.
fn mki(text: &str) -> Option<Vec<u8>> {
    let (value, length) = text.split_once(':')?;
    let value: u64 = Some(value).filter(|value| is_number(value))?.parse().ok()?;
    let length: usize = Some(length).filter(|length| is_number(length))?.parse().ok()?;
    if !(1..=128).contains(&length) {
        return None;
    }
    let number = value.to_be_bytes();
    let mut octets = vec![0; length.saturating_sub(number.len())];
    let (cut, kept) = number.split_at_checked(number.len().saturating_sub(length))?;
    octets.extend_from_slice(kept);
    cut.iter().all(|octet| *octet == 0).then_some(octets)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.tag, self.suite)?;
        for (n, InlineKey { key, lifetime, mki }) in self.keys.iter().enumerate() {
            write!(f, "{}inline:{}", if n == 0 { "" } else { ";" }, BASE64.encode(key.as_bytes()))?;
            match lifetime {
                Some(packets) if packets.is_power_of_two() => write!(f, "|2^{}", packets.trailing_zeros())?,
                Some(packets) => write!(f, "|{packets}")?,
                None => {}
            }
            if let Some(mki) = mki {
                let value = mki.iter().fold(0u64, |value, octet| value << 8 | u64::from(*octet));
                write!(f, "|{value}:{}", mki.len())?;
            }
        }
        self.parameters.iter().try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

impl Fingerprint {
    /// The SHA-256 fingerprint of a certificate (DER).
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self { hash: "sha-256".to_owned(), octets: sha2::Sha256::digest(certificate).to_vec() }
    }

    /// Whether its hash function is one that is computed here.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.hashed(&[]).is_some()
    }

    /// Whether it is that of this certificate (DER).
    #[must_use]
    pub fn matches(&self, certificate: &[u8]) -> bool {
        self.hashed(certificate).is_some_and(|octets| octets == self.octets)
    }

    fn hashed(&self, certificate: &[u8]) -> Option<Vec<u8>> {
        Some(match self.hash.as_str() {
            "sha-1" => sha1::Sha1::digest(certificate).to_vec(),
            "sha-256" => sha2::Sha256::digest(certificate).to_vec(),
            "sha-384" => sha2::Sha384::digest(certificate).to_vec(),
            "sha-512" => sha2::Sha512::digest(certificate).to_vec(),
            _ => return None,
        })
    }

    /// Reads what follows `fingerprint:`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (hash, digits) = (words.next()?, words.next()?);
        let octet = |pair: &str| {
            let digits = pair.len() == 2 && pair.bytes().all(|octet| octet.is_ascii_hexdigit());
            if digits { u8::from_str_radix(pair, 16).ok() } else { None }
        };
        let octets = digits.split(':').map(octet).collect::<Option<_>>()?;
        words.next().is_none().then(|| Self { hash: hash.to_ascii_lowercase(), octets })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hash)?;
        self.octets
            .iter()
            .enumerate()
            .try_for_each(|(n, octet)| write!(f, "{}{octet:02X}", if n == 0 { ' ' } else { ':' }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn roundtrip(text: &str) -> Crypto {
        let read = Crypto::parse(text).unwrap();
        assert_eq!(read.to_string(), text);
        read
    }

    #[test]
    fn lines_of_rfc_4568() {
        let read = roundtrip(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4 FEC_ORDER=FEC_SRTP"));
        assert_eq!((read.tag, read.suite.as_str()), (1, "AES_CM_128_HMAC_SHA1_80"));
        assert_eq!(read.keys[0].key.as_bytes().len(), 30);
        assert_eq!((read.keys[0].lifetime, read.keys[0].mki.as_deref()), (Some(1 << 20), Some(&[0, 0, 0, 1][..])));
        assert_eq!(read.parameters, ["FEC_ORDER=FEC_SRTP"]);
        let two = roundtrip(&format!("2 F8_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{KEY}|1000|258:2"));
        assert_eq!(
            (two.keys.len(), two.keys[1].lifetime, two.keys[1].mki.as_deref()),
            (2, Some(1000), Some(&[1, 2][..]))
        );
        assert_eq!(roundtrip(&format!("7 X inline:{KEY}|1:1")).keys[0].lifetime, None);
        assert_eq!(roundtrip(&format!("7 X inline:{KEY}|5:12")).keys[0].mki.as_ref().unwrap().len(), 12);
    }

    #[test]
    fn padding_may_be_missing() {
        let with = Crypto::parse("1 AES_256_CM_HMAC_SHA1_80 inline:AAECAwQFBgcICQ==").unwrap();
        assert_eq!(Crypto::parse("1 AES_256_CM_HMAC_SHA1_80 inline:AAECAwQFBgcICQ").unwrap(), with);
    }

    #[test]
    fn what_is_no_crypto_line() {
        for text in [
            "",
            "1",
            "1 AES",
            "x AES inline:AAAA",
            "1234567890 AES inline:AAAA",
            "1 AES- inline:AAAA",
            "1 AES uri:AAAA",
            "1 AES inline:",
            "1 AES inline:A*AA",
            "1 AES inline:AAAA|2^x",
            "1 AES inline:AAAA|2^64",
            "1 AES inline:AAAA|1:0",
            "1 AES inline:AAAA|256:1",
            "1 AES inline:AAAA|1:129",
            "1 AES inline:AAAA|2^20|1:4|1",
            "1 AES inline:AAAA|1:4|2^20",
            "1 AES inline:AAAA;AAAA",
        ] {
            assert_eq!(Crypto::parse(text), None, "{text}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", Crypto::parse(&format!("1 AES inline:{KEY}")));
        assert!(!shown.contains(KEY) && shown.contains("30 octets"), "{shown}");
    }

    #[test]
    fn fingerprints_are_read_and_compared() {
        let of_nothing = "sha-1 DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09";
        let read = Fingerprint::parse(of_nothing).unwrap();
        assert!(read.matches(b"") && !read.matches(b"x"));
        assert_eq!(read.to_string(), of_nothing);
        let own = Fingerprint::of(b"certificate");
        assert_eq!(Fingerprint::parse(&own.to_string().to_lowercase()), Some(own.clone()));
        assert!(own.matches(b"certificate") && own.is_known());
        let other = Fingerprint::parse("md5 AB:CD").unwrap();
        assert!(!other.is_known() && !other.matches(b""));
        for text in ["sha-1", "sha-1 A", "sha-1 AB:C", "sha-1 AB:+1", "sha-1 AB CD", "sha-1 ABCD"] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(
            line in "[0-9]{1,9} [A-Z_0-9]{1,9} inline:[A-Za-z0-9+/]{0,9}={0,2}(\\|(2\\^)?[0-9]{1,3})?(\\|[0-9]{1,6}:[0-9]{1,3})?( [A-Z=]{1,5})?",
        ) {
            if let Some(read) = Crypto::parse(&line) {
                prop_assert_eq!(Crypto::parse(&read.to_string()), Some(read));
            }
        }

        #[test]
        fn no_text_panics(text in "[ -~]{0,60}") {
            if let Some(read) = Crypto::parse(&text) {
                prop_assert_eq!(Crypto::parse(&read.to_string()), Some(read));
            }
            if let Some(read) = Fingerprint::parse(&text) {
                prop_assert_eq!(Fingerprint::parse(&read.to_string()), Some(read));
            }
        }
    }
}
