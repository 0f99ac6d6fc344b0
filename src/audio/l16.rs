//! L16: linear 16 bit samples in network order (RFC 3551 section 4.5.11).

/// The samples of an L16 payload. An odd last byte belongs to no sample and is left out.
pub fn decode(payload: &[u8]) -> impl Iterator<Item = i16> + '_ {
    payload.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair))
}

/// Appends `samples` to `payload` in network order.
pub fn encode(samples: &[i16], payload: &mut Vec<u8>) {
    payload.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_order_both_ways() {
        let mut payload = Vec::new();
        encode(&[0x1234, -2, i16::MIN], &mut payload);
        assert_eq!(payload, [0x12, 0x34, 0xFF, 0xFE, 0x80, 0x00]);
        payload.push(7);
        assert_eq!(decode(&payload).collect::<Vec<_>>(), [0x1234, -2, i16::MIN]);
    }
}
