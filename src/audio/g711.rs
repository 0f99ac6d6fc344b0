//! G.711: mu-law and A-law, eight bits a sample (ITU-T G.711).

/// Decodes one mu-law byte to a linear sample.
#[must_use]
pub const fn decode_mulaw(byte: u8) -> i16 {
    MULAW[byte as usize]
}

/// Decodes one A-law byte to a linear sample.
#[must_use]
pub const fn decode_alaw(byte: u8) -> i16 {
    ALAW[byte as usize]
}

/// Encodes a linear sample as mu-law.
#[must_use]
pub const fn encode_mulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = ones_complement_magnitude(sample >> 2) + 33;
    let segment = bits(magnitude).saturating_sub(6);
    let code = if segment >= 8 { 0x7F } else { segment << 4 | (magnitude >> (segment + 1)) & 0x0F };
    (sign | code as u8) ^ 0xFF
}

/// Encodes a linear sample as A-law.
#[must_use]
pub const fn encode_alaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = ones_complement_magnitude(sample >> 4);
    let segment = bits(magnitude).saturating_sub(4);
    let code = if segment == 0 { magnitude } else { segment << 4 | (magnitude >> (segment - 1)) & 0x0F };
    (sign | code as u8) ^ 0x55
}

/// How many bits the number needs.
const fn bits(n: u32) -> u32 {
    u32::BITS - n.leading_zeros()
}

/// G.711 folds the negative half by one's complement, so that -1 and 0 have the same magnitude.
const fn ones_complement_magnitude(sample: i16) -> u32 {
    (if sample < 0 { !sample } else { sample }) as u32
}

const MULAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let code = !(i as u8);
        let segment = (code >> 4) & 0x07;
        let magnitude = ((((code & 0x0F) as i32) << 3 | 0x84) << segment) - 0x84;
        table[i] = (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16;
        i += 1;
    }
    table
};

const ALAW: [i16; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let code = i as u8 ^ 0x55;
        let segment = (code >> 4) & 0x07;
        let step = ((code & 0x0F) as i32) << 4 | 0x08;
        let magnitude = if segment == 0 { step } else { (step | 0x100) << (segment - 1) };
        table[i] = (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use audio_codec_algorithms as oracle;

    use super::*;

    #[test]
    fn every_byte_decodes_as_the_oracle_says() {
        for byte in 0..=u8::MAX {
            assert_eq!(decode_mulaw(byte), oracle::decode_ulaw(byte), "mu-law {byte:#x}");
            assert_eq!(decode_alaw(byte), oracle::decode_alaw(byte), "A-law {byte:#x}");
        }
    }

    #[test]
    fn every_sample_encodes_as_the_oracle_says() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(encode_mulaw(sample), oracle::encode_ulaw(sample), "mu-law {sample}");
            assert_eq!(encode_alaw(sample), oracle::encode_alaw(sample), "A-law {sample}");
        }
    }
}
