//! SRTP and SRTCP packets, RFC 3711, RFC 6188, RFC 7714: plain packets to protected ones and back.
//!
//! Here is what bytes look like under given keys and a given rollover counter. Which counter a packet has, and whether
//! it came before, is its receiver's to know.

use std::fmt;

use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::{Ctr128BE, CtrCore};
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// A crypto-suite of SDP security descriptions, RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section 14.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES-128 in counter mode, tags of 80 bits.
    AesCm128HmacSha1_80,
    /// AES-128 in counter mode, tags of 32 bits; those of SRTCP have 80.
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, tags of 80 bits.
    Aes256CmHmacSha1_80,
    /// AES-256 in counter mode, tags of 32 bits; those of SRTCP have 80.
    Aes256CmHmacSha1_32,
    /// AES-128 in Galois/counter mode.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode.
    AeadAes256Gcm,
}

impl Suite {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::Aes256CmHmacSha1_80,
        Self::AesCm128HmacSha1_80,
        Self::Aes256CmHmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// The word of SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes256CmHmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether it encrypts and authenticates in one.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// Octets of the master key.
    const fn key_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt.
    const fn salt_length(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of master key and master salt together.
    #[must_use]
    pub const fn master_length(self) -> usize {
        self.key_length() + self.salt_length()
    }

    const fn tag_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::Aes256CmHmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 | Self::Aes256CmHmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => GCM_TAG,
        }
    }

    const fn control_tag_length(self) -> usize {
        if self.is_aead() { GCM_TAG } else { 10 }
    }
}

const GCM_TAG: usize = 16;

/// A master key and its master salt. It is written nowhere but into session descriptions.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Vec<u8>);

impl MasterKey {
    /// Takes the octets, salt after key.
    #[must_use]
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets, salt after key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    /// Debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({} octets)", self.0.len())
    }
}

/// What one direction of a stream is protected with, as session descriptions agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The suite.
    pub suite: Suite,
    /// The keys and the identifiers that choose among them (MKI); a single key may have none, which is empty.
    pub keys: Vec<(MasterKey, Vec<u8>)>,
    /// What is left out of the protection.
    pub bare: Bare,
}

/// What RFC 4568 section 6.3 allows to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bare {
    /// `UNENCRYPTED_SRTP`
    pub unencrypted_srtp: bool,
    /// `UNENCRYPTED_SRTCP`
    pub unencrypted_srtcp: bool,
    /// `UNAUTHENTICATED_SRTP`
    pub unauthenticated_srtp: bool,
}

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpError {
    /// It is too short for its headers and its tag.
    Short,
    /// Its key identifier is another.
    Key,
    /// Its tag is wrong: other keys, another rollover counter, or a forgery.
    Unauthentic,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "too short for an SRTP packet",
            Self::Key => "an unknown master key identifier",
            Self::Unauthentic => "the authentication tag is wrong",
        })
    }
}

impl std::error::Error for SrtpError {}

/// The session keys of one master key, and what is done with them.
#[derive(Clone)]
pub struct Cryptor {
    suite: Suite,
    bare: Bare,
    mki: Vec<u8>,
    rtp: SessionKeys,
    rtcp: SessionKeys,
}

impl fmt::Debug for Cryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cryptor({})", self.suite.as_str())
    }
}

#[derive(Clone)]
enum SessionKeys {
    Counter { cipher: Aes, salt: [u8; 14], mac: Box<Hmac<Sha1>> },
    Galois { cipher: Gcm, salt: [u8; 12] },
}

#[derive(Clone)]
enum Aes {
    Of128(Box<Aes128>),
    Of256(Box<Aes256>),
}

#[derive(Clone)]
enum Gcm {
    Of128(Box<Aes128Gcm>),
    Of256(Box<Aes256Gcm>),
}

/// The labels of key derivation, RFC 3711 section 4.3.2: of encryption, authentication and salt.
const RTP_LABELS: [u8; 3] = [0, 1, 2];
const RTCP_LABELS: [u8; 3] = [3, 4, 5];

/// The word before the tag of SRTCP: E and the index.
const CONTROL_WORD: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

impl Cryptor {
    /// Derives the session keys of a master key; `None` if it has not the suite's length.
    #[must_use]
    pub fn new(suite: Suite, bare: Bare, key: &MasterKey, mki: Vec<u8>) -> Option<Self> {
        let (master, salt) = key.0.split_at_checked(suite.key_length())?;
        if salt.len() != suite.salt_length() {
            return None;
        }
        // RFC 7714 section 11: the salt of 96 bits is filled up with zeros to 112.
        let mut padded = [0; 14];
        padded.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
        let master = Aes::new(master)?;
        let [rtp, rtcp] = [RTP_LABELS, RTCP_LABELS].map(|labels| SessionKeys::derive(suite, &master, &padded, labels));
        Some(Self { suite, bare, mki, rtp: rtp?, rtcp: rtcp? })
    }

    /// The master key identifier that its packets carry.
    #[must_use]
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// Protects an RTP packet in place, RFC 3711 section 3.3, under this rollover counter.
    ///
    /// # Errors
    /// If it is too short for its headers.
    pub fn protect(&self, roc: u32, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let header = Header::read(packet)?;
        match &self.rtp {
            SessionKeys::Counter { cipher, salt, mac } => {
                if !self.bare.unencrypted_srtp {
                    let payload = packet.get_mut(header.length..).ok_or(SrtpError::Short)?;
                    cipher.apply(&counter_iv(salt, header.ssrc, header.index(roc)), payload);
                }
                let tag = mac.as_ref().clone().chain_update(&*packet).chain_update(roc.to_be_bytes()).finalize();
                packet.extend_from_slice(&self.mki);
                if !self.bare.unauthenticated_srtp {
                    packet.extend(tag.into_bytes().iter().take(self.suite.tag_length()));
                }
            }
            SessionKeys::Galois { cipher, salt } => {
                let nonce = galois_nonce(salt, header.ssrc, header.index(roc));
                let (aad, payload) = packet.split_at_mut_checked(header.length).ok_or(SrtpError::Short)?;
                let tag = cipher.seal(&nonce, aad, payload).ok_or(SrtpError::Short)?;
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&self.mki);
            }
        }
        Ok(())
    }

    /// Opens an SRTP packet under this rollover counter: `plain` becomes the RTP packet. Nothing is decrypted before its
    /// tag is found right.
    ///
    /// # Errors
    /// If it is no packet under these keys and this counter.
    pub fn unprotect(&self, roc: u32, datagram: &[u8], plain: &mut Vec<u8>) -> Result<(), SrtpError> {
        let header = Header::read(datagram)?;
        plain.clear();
        match &self.rtp {
            SessionKeys::Counter { cipher, salt, mac } => {
                let tag_length = if self.bare.unauthenticated_srtp { 0 } else { self.suite.tag_length() };
                let (rest, tag) = split_end(datagram, tag_length)?;
                let body = self.strip_mki(rest)?;
                if tag_length > 0 {
                    let mac = mac.as_ref().clone().chain_update(body).chain_update(roc.to_be_bytes());
                    mac.verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)?;
                }
                plain.extend_from_slice(body);
                let payload = plain.get_mut(header.length..).ok_or(SrtpError::Short)?;
                if !self.bare.unencrypted_srtp {
                    cipher.apply(&counter_iv(salt, header.ssrc, header.index(roc)), payload);
                }
            }
            SessionKeys::Galois { cipher, salt } => {
                let (body, tag) = split_end(self.strip_mki(datagram)?, GCM_TAG)?;
                let nonce = galois_nonce(salt, header.ssrc, header.index(roc));
                plain.extend_from_slice(body);
                let (aad, payload) = plain.split_at_mut_checked(header.length).ok_or(SrtpError::Short)?;
                cipher.open(&nonce, aad, payload, tag)?;
            }
        }
        Ok(())
    }

    /// Protects a compound RTCP packet in place, RFC 3711 section 3.4; `index` counts them, 31 bits.
    ///
    /// # Errors
    /// If it is too short for its header.
    pub fn protect_control(&self, index: u32, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = control_ssrc(packet)?;
        let encrypted = !self.bare.unencrypted_srtcp;
        let index = index & !ENCRYPTED;
        let word = (index | if encrypted { ENCRYPTED } else { 0 }).to_be_bytes();
        match &self.rtcp {
            SessionKeys::Counter { cipher, salt, mac } => {
                if encrypted {
                    let payload = packet.get_mut(CONTROL_HEADER..).ok_or(SrtpError::Short)?;
                    cipher.apply(&counter_iv(salt, ssrc, index.into()), payload);
                }
                packet.extend_from_slice(&word);
                let tag = mac.as_ref().clone().chain_update(&*packet).finalize();
                packet.extend_from_slice(&self.mki);
                packet.extend(tag.into_bytes().iter().take(self.suite.control_tag_length()));
            }
            SessionKeys::Galois { cipher, salt } => {
                let nonce = galois_nonce(salt, ssrc, index.into());
                let clear = if encrypted { CONTROL_HEADER } else { packet.len() };
                let mut aad = packet.get(..clear).ok_or(SrtpError::Short)?.to_vec();
                aad.extend_from_slice(&word);
                let payload = packet.get_mut(clear..).ok_or(SrtpError::Short)?;
                let tag = cipher.seal(&nonce, &aad, payload).ok_or(SrtpError::Short)?;
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&word);
                packet.extend_from_slice(&self.mki);
            }
        }
        Ok(())
    }

    /// Opens an SRTCP packet: `plain` becomes the compound packet. Returns its index.
    ///
    /// # Errors
    /// If it is no packet under these keys.
    pub fn unprotect_control(&self, datagram: &[u8], plain: &mut Vec<u8>) -> Result<u32, SrtpError> {
        let ssrc = control_ssrc(datagram)?;
        plain.clear();
        let word_of = |word: &[u8]| word.try_into().map(u32::from_be_bytes).map_err(|_| SrtpError::Short);
        match &self.rtcp {
            SessionKeys::Counter { cipher, salt, mac } => {
                let (rest, tag) = split_end(datagram, self.suite.control_tag_length())?;
                let signed = self.strip_mki(rest)?;
                let mac = mac.as_ref().clone().chain_update(signed);
                mac.verify_truncated_left(tag).map_err(|_| SrtpError::Unauthentic)?;
                let (body, word) = split_end(signed, CONTROL_WORD)?;
                let word = word_of(word)?;
                plain.extend_from_slice(body);
                let payload = plain.get_mut(CONTROL_HEADER..).ok_or(SrtpError::Short)?;
                if word & ENCRYPTED != 0 {
                    cipher.apply(&counter_iv(salt, ssrc, (word & !ENCRYPTED).into()), payload);
                }
                Ok(word & !ENCRYPTED)
            }
            SessionKeys::Galois { cipher, salt } => {
                let (rest, octets) = split_end(self.strip_mki(datagram)?, CONTROL_WORD)?;
                let word = word_of(octets)?;
                let (body, tag) = split_end(rest, GCM_TAG)?;
                let clear = if word & ENCRYPTED != 0 { CONTROL_HEADER } else { body.len() };
                let mut aad = body.get(..clear).ok_or(SrtpError::Short)?.to_vec();
                aad.extend_from_slice(octets);
                plain.extend_from_slice(body);
                let payload = plain.get_mut(clear..).ok_or(SrtpError::Short)?;
                cipher.open(&galois_nonce(salt, ssrc, (word & !ENCRYPTED).into()), &aad, payload, tag)?;
                Ok(word & !ENCRYPTED)
            }
        }
    }

    /// What comes before the key identifier that these keys' packets end with.
    fn strip_mki<'a>(&self, octets: &'a [u8]) -> Result<&'a [u8], SrtpError> {
        let (rest, mki) = split_end(octets, self.mki.len())?;
        if mki == self.mki { Ok(rest) } else { Err(SrtpError::Key) }
    }
}

impl SessionKeys {
    fn derive(suite: Suite, master: &Aes, master_salt: &[u8; 14], labels: [u8; 3]) -> Option<Self> {
        let [encryption, authentication, salting] = labels;
        let mut key = [0; 32];
        let key = key.get_mut(..suite.key_length())?;
        master.derive(master_salt, encryption, key);
        if suite.is_aead() {
            let mut salt = [0; 12];
            master.derive(master_salt, salting, &mut salt);
            return Some(Self::Galois { cipher: Gcm::new(key)?, salt });
        }
        let (mut salt, mut auth) = ([0; 14], [0; 20]);
        master.derive(master_salt, salting, &mut salt);
        master.derive(master_salt, authentication, &mut auth);
        let mac = Box::new(Hmac::new_from_slice(&auth).ok()?);
        Some(Self::Counter { cipher: Aes::new(key)?, salt, mac })
    }
}

impl Aes {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Some(Self::Of128(Box::new(Aes128::new_from_slice(key).ok()?))),
            32 => Some(Self::Of256(Box::new(Aes256::new_from_slice(key).ok()?))),
            _ => None,
        }
    }

    /// Counter mode, RFC 3711 section 4.1.1.
    fn apply(&self, iv: &[u8; 16], octets: &mut [u8]) {
        match self {
            Self::Of128(cipher) => {
                Ctr128BE::from_core(CtrCore::inner_iv_init(cipher.as_ref().clone(), iv.into())).apply_keystream(octets);
            }
            Self::Of256(cipher) => {
                Ctr128BE::from_core(CtrCore::inner_iv_init(cipher.as_ref().clone(), iv.into())).apply_keystream(octets);
            }
        }
    }

    /// RFC 3711 section 4.3.1 with a key derivation rate of 0: the keystream of label and salt.
    fn derive(&self, salt: &[u8; 14], label: u8, key: &mut [u8]) {
        let mut iv = [0; 16];
        iv.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
        if let Some(octet) = iv.get_mut(7) {
            *octet ^= label;
        }
        key.fill(0);
        self.apply(&iv, key);
    }
}

impl Gcm {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Some(Self::Of128(Box::new(Aes128Gcm::new_from_slice(key).ok()?))),
            32 => Some(Self::Of256(Box::new(Aes256Gcm::new_from_slice(key).ok()?))),
            _ => None,
        }
    }

    fn seal(&self, nonce: &[u8; 12], aad: &[u8], octets: &mut [u8]) -> Option<[u8; GCM_TAG]> {
        let tag = match self {
            Self::Of128(cipher) => cipher.encrypt_inout_detached(nonce.into(), aad, octets.into()),
            Self::Of256(cipher) => cipher.encrypt_inout_detached(nonce.into(), aad, octets.into()),
        };
        tag.ok().map(Into::into)
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], octets: &mut [u8], tag: &[u8]) -> Result<(), SrtpError> {
        let tag: &[u8; GCM_TAG] = tag.try_into().map_err(|_| SrtpError::Short)?;
        let opened = match self {
            Self::Of128(cipher) => cipher.decrypt_inout_detached(nonce.into(), aad, octets.into(), tag.into()),
            Self::Of256(cipher) => cipher.decrypt_inout_detached(nonce.into(), aad, octets.into(), tag.into()),
        };
        opened.map_err(|_| SrtpError::Unauthentic)
    }
}

/// RFC 3711 section 4.1.1: the salt, the source and the index, each in its place.
fn counter_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut octets = [0; 16];
    octets.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
    let iv = u128::from_be_bytes(octets) ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
    iv.to_be_bytes()
}

/// RFC 7714 sections 8.1 and 9.1: two octets of zero, the source, the index in six octets, under the salt.
fn galois_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let number = (u128::from(ssrc) << 48) | u128::from(index & 0xFFFF_FFFF_FFFF);
    let mut nonce = *salt;
    nonce.iter_mut().zip(number.to_be_bytes().iter().skip(4)).for_each(|(to, from)| *to ^= from);
    nonce
}

fn split_end(octets: &[u8], length: usize) -> Result<(&[u8], &[u8]), SrtpError> {
    let at = octets.len().checked_sub(length).ok_or(SrtpError::Short)?;
    octets.split_at_checked(at).ok_or(SrtpError::Short)
}

/// Version, type, length and source of RTCP, which stay readable.
const CONTROL_HEADER: usize = 8;

/// Who sent an SRTCP packet.
///
/// # Errors
/// If it is too short to tell.
pub fn control_ssrc(datagram: &[u8]) -> Result<u32, SrtpError> {
    let octets = datagram.get(4..CONTROL_HEADER).and_then(|octets| octets.try_into().ok());
    octets.map(u32::from_be_bytes).ok_or(SrtpError::Short)
}

/// What an SRTP packet tells in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Octets of it, sources and extension included.
    pub length: usize,
    /// Counts packets, modulo 2^16.
    pub sequence_number: u16,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// If the packet is shorter.
    pub fn read(packet: &[u8]) -> Result<Self, SrtpError> {
        let octet = |at: usize| packet.get(at).copied().ok_or(SrtpError::Short);
        let word = |at: usize| Ok(u16::from_be_bytes([octet(at)?, octet(at + 1)?]));
        let first = octet(0)?;
        let mut length = 12 + 4 * usize::from(first & 0x0F);
        if first & 0x10 != 0 {
            length += 4 + 4 * usize::from(word(length + 2)?);
        }
        if first >> 6 != 2 || packet.len() < length {
            return Err(SrtpError::Short);
        }
        let ssrc = u32::from(word(8)?) << 16 | u32::from(word(10)?);
        Ok(Self { length, sequence_number: word(2)?, ssrc })
    }

    /// The packet's index under a rollover counter, 48 bits.
    #[must_use]
    pub fn index(&self, roc: u32) -> u64 {
        u64::from(roc) << 16 | u64::from(self.sequence_number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn the_keystream_of_rfc_3711_appendix_b_2() {
        let cipher = Aes::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
        let mut stream = vec![0; 0xFF02 * 16];
        cipher.apply(&counter_iv(&salt, 0, 0), &mut stream);
        assert_eq!(
            stream[..48],
            hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
                 41E95B3BB0A2E8DD477901E4FCA894C0")
        );
        assert_eq!(
            stream[0xFEFF * 16..],
            hex("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE
                 6A2CC3787889374FBEB4C81B17BA6C44")
        );
    }

    #[test]
    fn the_keys_of_rfc_3711_appendix_b_3() {
        let master = Aes::new(&hex("E1F97A0D3E018BE0D64FA32C06DE4139")).unwrap();
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
        let derived = |label, length| {
            let mut key = vec![0; length];
            master.derive(&salt, label, &mut key);
            key
        };
        assert_eq!(derived(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            derived(1, 94),
            hex("CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
                 E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
                 6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2")
        );
    }

    #[test]
    fn the_keys_of_rfc_6188_section_7_2() {
        let master = Aes::new(&hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6")).unwrap();
        let salt = hex("3b04803de51ee7c96423ab5b78d2").try_into().unwrap();
        let derived = |label, length| {
            let mut key = vec![0; length];
            master.derive(&salt, label, &mut key);
            key
        };
        assert_eq!(derived(0, 32), hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
        assert_eq!(derived(2, 14), hex("fa31791685ca444a9e07c6c64e93"));
        assert_eq!(derived(1, 20), hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    }

    fn cryptor(suite: Suite, bare: Bare, mki: &[u8]) -> Cryptor {
        let octets = (0..suite.master_length()).map(|n| n as u8).collect();
        Cryptor::new(suite, bare, &MasterKey::new(octets), mki.to_vec()).unwrap()
    }

    /// A packet with a contributing source and an extension.
    fn packet() -> Vec<u8> {
        let mut packet = vec![0x91, 0x80, 0xFF, 0xFE, 0, 0, 0, 160, 0xCA, 0xFE, 0xBA, 0xBE];
        packet.extend([0, 0, 0, 9, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4]);
        packet.extend([0x55; 160]);
        packet
    }

    fn report() -> Vec<u8> {
        vec![0x80, 201, 0, 1, 0xCA, 0xFE, 0xBA, 0xBE, 0x81, 203, 0, 1, 0xCA, 0xFE, 0xBA, 0xBE]
    }

    #[test]
    fn what_is_protected_is_opened_and_nothing_else() {
        let bares = [
            Bare::default(),
            Bare { unencrypted_srtp: true, unencrypted_srtcp: true, ..Bare::default() },
            Bare { unauthenticated_srtp: true, ..Bare::default() },
        ];
        for suite in Suite::ALL {
            for (bare, mki) in bares.into_iter().zip([&[][..], &[0, 1], &[7]]) {
                if suite.is_aead() && bare.unauthenticated_srtp {
                    continue;
                }
                let cryptor = cryptor(suite, bare, mki);
                let (mut protected, mut plain) = (packet(), Vec::new());
                cryptor.protect(3, &mut protected).unwrap();
                let tag = if bare.unauthenticated_srtp { 0 } else { suite.tag_length() };
                assert_eq!(protected.len(), packet().len() + mki.len() + tag);
                let hidden = suite.is_aead() || !bare.unencrypted_srtp;
                assert_eq!(protected[24..40] != packet()[24..40], hidden, "{suite:?} {bare:?}");
                assert_eq!(cryptor.unprotect(3, &protected, &mut plain), Ok(()), "{suite:?} {bare:?}");
                assert_eq!(plain, packet());
                if !bare.unauthenticated_srtp {
                    assert_eq!(cryptor.unprotect(4, &protected, &mut plain), Err(SrtpError::Unauthentic));
                    for at in [1, 20, 50, protected.len() - mki.len().max(1) - 1] {
                        let mut damaged = protected.clone();
                        damaged[at] ^= 1;
                        assert!(cryptor.unprotect(3, &damaged, &mut plain).is_err(), "{suite:?} {at}");
                    }
                }

                let mut control = report();
                cryptor.protect_control(5, &mut control).unwrap();
                assert_eq!(control.len(), 16 + 4 + mki.len() + suite.control_tag_length());
                assert_eq!(cryptor.unprotect_control(&control, &mut plain), Ok(5), "{suite:?} {bare:?}");
                assert_eq!(plain, report());
                control[9] ^= 1;
                assert_eq!(cryptor.unprotect_control(&control, &mut plain), Err(SrtpError::Unauthentic));
            }
        }
    }

    #[test]
    fn another_key_identifier_or_length_of_key_is_told() {
        let suite = Suite::AesCm128HmacSha1_80;
        let mut protected = packet();
        cryptor(suite, Bare::default(), &[0, 2]).protect(0, &mut protected).unwrap();
        let other = cryptor(suite, Bare::default(), &[0, 1]);
        assert_eq!(other.unprotect(0, &protected, &mut Vec::new()), Err(SrtpError::Key));
        assert!(Cryptor::new(suite, Bare::default(), &MasterKey::new(vec![0; 29]), Vec::new()).is_none());
        assert!(Cryptor::new(suite, Bare::default(), &MasterKey::new(vec![0; 46]), Vec::new()).is_none());
    }

    #[test]
    fn keys_are_not_shown() {
        let shown =
            format!("{:?} {:?}", MasterKey::new(vec![0xAB; 30]), cryptor(Suite::AeadAes128Gcm, Bare::default(), &[]));
        assert_eq!(shown, "MasterKey(30 octets) Cryptor(AEAD_AES_128_GCM)");
    }

    proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), suite in 0usize..6, mki in 0usize..5) {
            let cryptor = cryptor(Suite::ALL[suite], Bare::default(), &vec![0; mki]);
            let mut plain = Vec::new();
            prop_assert!(cryptor.unprotect(0, &bytes, &mut plain).is_err());
            prop_assert!(cryptor.unprotect_control(&bytes, &mut plain).is_err());
            cryptor.protect(0, &mut bytes.clone()).ok();
            cryptor.protect_control(0, &mut bytes.clone()).ok();
        }
    }
}
