//! The receiving side of SRTP, RFC 3711: rollover counters, replay protection, and what of it survives a change of keys.

use std::collections::HashMap;

use crate::wire::rtp::rtcp;
use crate::wire::rtp::srtp::{Cryptor, Header, Parameters, SrtpError, control_ssrc};

/// Why a datagram was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its tag is wrong, or it is none of SRTP.
    Unauthentic,
    /// It came before, or it is too old to tell.
    Replayed,
}

/// What opens one direction's datagrams.
#[derive(Debug)]
pub(super) struct Inbound {
    parameters: Parameters,
    cryptors: Vec<Cryptor>,
    /// Those of the keys before: packets that were under way when keys changed are theirs.
    before: Vec<Cryptor>,
    sources: HashMap<u32, Source>,
    /// The rollover counters under the keys before. RFC 3711 section 3.3.1 lets them go on, RFC 4568 has a new context;
    /// senders do either.
    earlier: HashMap<u32, Source>,
    control: HashMap<u32, Window>,
    plain: Vec<u8>,
}

/// Where one sender's packets are.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// Rollover counter and sequence number of the highest index that came.
    roc: u32,
    highest: u16,
    window: Window,
}

/// Which of the last indexes have come.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    highest: u64,
    /// Bit n: the index that is n below the highest.
    seen: u128,
}

/// Senders that are remembered; each has shown that it has the key, so a stream has few.
const MAX_SOURCES: usize = 64;

impl Inbound {
    /// `None` if a key has not its suite's length.
    pub(super) fn new(parameters: Parameters) -> Option<Self> {
        Some(Self {
            cryptors: cryptors(&parameters)?,
            parameters,
            before: Vec::new(),
            sources: HashMap::new(),
            earlier: HashMap::new(),
            control: HashMap::new(),
            plain: Vec::new(),
        })
    }

    /// What a later offer agrees on. The same keys change nothing.
    pub(super) fn rekey(&mut self, parameters: Parameters) {
        if parameters == self.parameters {
            return;
        }
        let Some(cryptors) = cryptors(&parameters) else { return };
        self.before = std::mem::replace(&mut self.cryptors, cryptors);
        self.parameters = parameters;
        self.earlier = std::mem::take(&mut self.sources);
        self.control.clear();
    }

    /// Opens a datagram: its RTP or RTCP.
    pub(super) fn open(&mut self, datagram: &[u8]) -> Result<&[u8], Refused> {
        if rtcp::is_rtcp(datagram) { self.open_control(datagram) } else { self.open_packet(datagram) }?;
        Ok(&self.plain)
    }

    fn open_packet(&mut self, datagram: &[u8]) -> Result<(), Refused> {
        let header = Header::read(datagram).map_err(|_| Refused::Unauthentic)?;
        let guesses = match self.sources.get(&header.ssrc) {
            Some(source) => {
                let roc = source.roc_of(header.sequence_number).ok_or(Refused::Unauthentic)?;
                if source.window.has(header.index(roc)) {
                    return Err(Refused::Replayed);
                }
                [Some(roc), None]
            }
            None => {
                let went_on = self.earlier.get(&header.ssrc).and_then(|source| source.roc_of(header.sequence_number));
                [Some(0), went_on.filter(|roc| *roc != 0)]
            }
        };
        for roc in guesses.into_iter().flatten() {
            if open_with(&self.cryptors, |cryptor| cryptor.unprotect(roc, datagram, &mut self.plain)) {
                self.accept(header, roc);
                return Ok(());
            }
        }
        let earlier = self.earlier.get_mut(&header.ssrc).filter(|_| !self.before.is_empty());
        if let Some(source) = earlier
            && let Some(roc) = source.roc_of(header.sequence_number)
            && !source.window.has(header.index(roc))
            && open_with(&self.before, |cryptor| cryptor.unprotect(roc, datagram, &mut self.plain))
        {
            source.take(header.sequence_number, roc);
            return Ok(());
        }
        Err(Refused::Unauthentic)
    }

    /// A packet was authentic under the present keys.
    fn accept(&mut self, header: Header, roc: u32) {
        // The sender has changed over.
        self.before.clear();
        if let Some(source) = self.sources.get_mut(&header.ssrc) {
            source.take(header.sequence_number, roc);
        } else if self.sources.len() < MAX_SOURCES {
            let window = Window { highest: header.index(roc), seen: 1 };
            self.sources.insert(header.ssrc, Source { roc, highest: header.sequence_number, window });
        }
    }

    fn open_control(&mut self, datagram: &[u8]) -> Result<(), Refused> {
        let ssrc = control_ssrc(datagram).map_err(|_| Refused::Unauthentic)?;
        let cryptors = self.cryptors.iter().chain(&self.before);
        let index = cryptors.into_iter().find_map(|cryptor| cryptor.unprotect_control(datagram, &mut self.plain).ok());
        let index = u64::from(index.ok_or(Refused::Unauthentic)?);
        let known = self.control.len();
        let window = match self.control.get_mut(&ssrc) {
            Some(window) => window,
            None if known >= MAX_SOURCES => return Err(Refused::Replayed),
            None => self.control.entry(ssrc).or_insert(Window { highest: index, seen: 0 }),
        };
        if window.has(index) {
            return Err(Refused::Replayed);
        }
        window.take(index);
        Ok(())
    }
}

fn cryptors(parameters: &Parameters) -> Option<Vec<Cryptor>> {
    let Parameters { suite, bare, keys } = parameters;
    keys.iter().map(|(key, mki)| Cryptor::new(*suite, *bare, key, mki.clone())).collect()
}

fn open_with(cryptors: &[Cryptor], mut open: impl FnMut(&Cryptor) -> Result<(), SrtpError>) -> bool {
    cryptors.iter().any(|cryptor| open(cryptor).is_ok())
}

impl Source {
    /// The rollover counter that a sequence number most likely has, RFC 3711 section 3.3.1; `None` before the first.
    fn roc_of(&self, sequence_number: u16) -> Option<u32> {
        let half = 1 << 15;
        if self.highest < half {
            if sequence_number.saturating_sub(self.highest) > half { self.roc.checked_sub(1) } else { Some(self.roc) }
        } else if self.highest - half > sequence_number {
            self.roc.checked_add(1)
        } else {
            Some(self.roc)
        }
    }

    fn take(&mut self, sequence_number: u16, roc: u32) {
        let index = u64::from(roc) << 16 | u64::from(sequence_number);
        if index > self.window.highest {
            (self.roc, self.highest) = (roc, sequence_number);
        }
        self.window.take(index);
    }
}

impl Window {
    /// Whether an index has come, or is too old to tell.
    fn has(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => false,
            Some(behind) if behind >= u64::from(u128::BITS) => true,
            Some(behind) => self.seen >> behind & 1 != 0,
        }
    }

    fn take(&mut self, index: u64) {
        if index > self.highest {
            let ahead = u32::try_from(index - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0);
            self.highest = index;
        }
        if let Ok(behind) = u32::try_from(self.highest - index) {
            self.seen |= 1u128.checked_shl(behind).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::rtp::srtp::{Bare, MasterKey, Suite};
    use crate::wire::rtp::{Packet, Sender};

    fn parameters(first: u8) -> Parameters {
        let suite = Suite::AesCm128HmacSha1_80;
        let key = MasterKey::new((first..).take(suite.master_length()).collect());
        Parameters { suite, keys: vec![(key, Vec::new())], bare: Bare::default() }
    }

    /// A packet of this number under these keys; its payload is the number.
    fn packet(keys: u8, ssrc: u32, number: u64) -> Vec<u8> {
        let mut packet = Vec::new();
        Sender::new(ssrc, number as u16, number as u32).write(0, false, &number.to_be_bytes(), 160, &mut packet);
        cryptors(&parameters(keys)).unwrap()[0].protect((number >> 16) as u32, &mut packet).unwrap();
        packet
    }

    fn open(inbound: &mut Inbound, datagram: &[u8]) -> Result<u64, Refused> {
        let plain = inbound.open(datagram)?;
        Ok(u64::from_be_bytes(Packet::parse(plain).unwrap().payload.try_into().unwrap()))
    }

    #[test]
    fn counters_roll_over_in_any_order_and_replays_are_refused() {
        let mut inbound = Inbound::new(parameters(0)).unwrap();
        for number in [65_530, 65_535, 65_536, 65_534, 65_538, 65_533, 65_537] {
            assert_eq!(open(&mut inbound, &packet(0, 1, number)), Ok(number));
        }
        for number in [65_536, 65_538, 65_533, 65_538 - 128, 1] {
            assert_eq!(open(&mut inbound, &packet(0, 1, number)).ok(), None, "{number}");
        }
        assert_eq!(open(&mut inbound, &packet(0, 1, 65_538)), Err(Refused::Replayed));
        assert_eq!(open(&mut inbound, &packet(0, 1, 65_538 - 127)), Ok(65_538 - 127));
        // Twice around, with a loss of nearly half a round.
        for number in [98_000, 130_000, 160_000, 190_000, 200_000] {
            assert_eq!(open(&mut inbound, &packet(0, 1, number)), Ok(number));
        }
        // Another sender has a counter of its own.
        assert_eq!(open(&mut inbound, &packet(0, 2, 7)), Ok(7));
        assert_eq!(open(&mut inbound, &packet(0, 1, 200_001)), Ok(200_001));
    }

    #[test]
    fn forgeries_move_nothing() {
        let mut inbound = Inbound::new(parameters(0)).unwrap();
        assert_eq!(open(&mut inbound, &packet(0, 1, 100)), Ok(100));
        let mut forged = packet(0, 1, 40_000);
        forged[15] ^= 1;
        assert_eq!(open(&mut inbound, &forged), Err(Refused::Unauthentic));
        assert_eq!(open(&mut inbound, &packet(9, 5, 1)), Err(Refused::Unauthentic));
        assert_eq!(open(&mut inbound, &[0x80; 30]), Err(Refused::Unauthentic));
        assert_eq!(open(&mut inbound, &[]), Err(Refused::Unauthentic));
        assert_eq!(inbound.sources.len(), 1);
        assert_eq!(open(&mut inbound, &packet(0, 1, 101)), Ok(101));
    }

    #[test]
    fn new_keys_take_over_whatever_the_counter_does() {
        for goes_on in [true, false] {
            let mut inbound = Inbound::new(parameters(0)).unwrap();
            for number in [60_000, 90_000] {
                assert_eq!(open(&mut inbound, &packet(0, 1, number)), Ok(number));
            }
            inbound.rekey(parameters(9));
            // One was under way.
            assert_eq!(open(&mut inbound, &packet(0, 1, 90_001)), Ok(90_001));
            assert_eq!(open(&mut inbound, &packet(0, 1, 90_001)), Err(Refused::Unauthentic));
            let next = if goes_on { 90_002 } else { 90_002 - 65_536 };
            assert_eq!(open(&mut inbound, &packet(9, 1, next)), Ok(next));
            assert_eq!(open(&mut inbound, &packet(9, 1, next + 1)), Ok(next + 1));
            assert_eq!(open(&mut inbound, &packet(0, 1, 90_100)), Err(Refused::Unauthentic));
            // The same keys again, as a refreshed session has them, forget nothing.
            inbound.rekey(parameters(9));
            assert_eq!(open(&mut inbound, &packet(9, 1, next)), Err(Refused::Replayed));
        }
    }

    #[test]
    fn a_key_is_found_by_its_identifier() {
        let suite = Suite::AesCm128HmacSha1_32;
        let key = |first: u8| MasterKey::new((first..).take(suite.master_length()).collect());
        let keys = vec![(key(0), vec![0, 1]), (key(9), vec![0, 2])];
        let parameters = Parameters { suite, keys, bare: Bare::default() };
        let mut inbound = Inbound::new(parameters.clone()).unwrap();
        for (number, cryptor) in cryptors(&parameters).unwrap().iter().enumerate() {
            let mut packet = Vec::new();
            Sender::new(1, number as u16, 0).write(0, false, &(number as u64).to_be_bytes(), 160, &mut packet);
            cryptor.protect(0, &mut packet).unwrap();
            assert_eq!(open(&mut inbound, &packet), Ok(number as u64));
        }
    }

    #[test]
    fn reports_are_opened_once() {
        let mut inbound = Inbound::new(parameters(0)).unwrap();
        let report = [0x81, 203, 0, 1, 0, 0, 0, 9];
        let protected = |index| {
            let mut packet = report.to_vec();
            cryptors(&parameters(0)).unwrap()[0].protect_control(index, &mut packet).unwrap();
            packet
        };
        assert_eq!(inbound.open(&protected(0)), Ok(&report[..]));
        assert_eq!(inbound.open(&protected(2)), Ok(&report[..]));
        assert_eq!(inbound.open(&protected(1)), Ok(&report[..]));
        assert_eq!(inbound.open(&protected(1)), Err(Refused::Replayed));
        assert_eq!(inbound.open(&report), Err(Refused::Unauthentic));
    }

    proptest! {
        /// Held against a set of all that came.
        #[test]
        fn each_packet_is_taken_once(steps in proptest::collection::vec(-150i64..300, 1..60)) {
            let mut inbound = Inbound::new(parameters(0)).unwrap();
            let (mut seen, mut highest) = (std::collections::BTreeSet::new(), 65_400i64);
            for step in steps {
                // A sender begins in its first round.
                let most = if seen.is_empty() { 65_535 } else { i64::MAX };
                let number = (highest + step).clamp(0, most) as u64;
                let fresh = !seen.contains(&number) && (seen.is_empty() || number as i64 > highest - 128);
                prop_assert_eq!(open(&mut inbound, &packet(0, 1, number)).ok(), fresh.then_some(number));
                if fresh {
                    seen.insert(number);
                    highest = if seen.len() == 1 { number as i64 } else { highest.max(number as i64) };
                }
            }
        }

        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Inbound::new(parameters(0)).unwrap().open(&bytes).is_err());
        }
    }
}
