//! IEEE 802.11 data frames in the clear, and the radiotap header before them.

use super::{
    Skip,
    link::{Header, be16, rest},
};

const DATA: u8 = 2;
/// Bits of the subtype of a data frame (IEEE 802.11 table 9-1).
const NO_DATA: u8 = 4;
const QOS: u8 = 8;
/// Bits of the second byte of frame control.
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// In the QoS control field: several frames in one.
const AGGREGATE: u8 = 0x80;

type Macs = [[u8; 6]; 2];

/// Hardware addresses (sender first) of a data frame, and the LLC header behind its own. `padded`: the payload begins at
/// a multiple of four bytes. Of several frames in one, the first.
pub(super) fn data(frame: &[u8], padded: bool) -> Result<(Macs, &[u8]), Skip> {
    let [control, flags, ..] = *frame else { return Err(Skip::ShortLinkHeader) };
    let subtype = control >> 4;
    if control & 3 != 0 || control >> 2 & 3 != DATA || subtype & NO_DATA != 0 {
        return Err(Skip::NoWirelessData);
    }
    if flags & PROTECTED != 0 {
        return Err(Skip::Encrypted);
    }
    let address = |at: usize| rest(frame, at)?.first_chunk().copied().ok_or(Skip::ShortLinkHeader);
    // IEEE 802.11 table 9-30: which address is whose.
    let (macs, mut header) = match (flags & TO_DS != 0, flags & FROM_DS != 0) {
        (false, false) => ([address(10)?, address(4)?], 24),
        (false, true) => ([address(16)?, address(4)?], 24),
        (true, false) => ([address(10)?, address(16)?], 24),
        (true, true) => ([address(24)?, address(16)?], 30),
    };
    let mut aggregate = false;
    if subtype & QOS != 0 {
        aggregate = (be16(frame, header)? >> 8) as u8 & AGGREGATE != 0;
        header += if flags & ORDER != 0 { 6 } else { 2 };
    }
    if padded {
        header = header.next_multiple_of(4);
    }
    // Inside an aggregate: destination, source, length.
    Ok((macs, rest(frame, if aggregate { header + 14 } else { header })?))
}

/// Reads past a radiotap header: fields in little-endian order, as many as its words of bits say.
pub(super) fn radiotap(frame: &[u8]) -> Result<(Header, &[u8]), Skip> {
    const TIMER: u8 = 0x01;
    const FLAGS: u8 = 0x02;
    const PADDED: u8 = 0x20;
    let length = usize::from(be16(frame, 2)?.swap_bytes()).max(8);
    // A word follows while the highest bit of the one before is set.
    let mut fields = 8;
    while frame.get(fields - 1).is_some_and(|byte| byte & 0x80 != 0) && fields < length {
        fields += 4;
    }
    let present = *frame.get(4).ok_or(Skip::ShortLinkHeader)?;
    let at = if present & TIMER != 0 { fields.next_multiple_of(8) + 8 } else { fields };
    let padded = present & FLAGS != 0 && at < length && frame.get(at).is_some_and(|flags| flags & PADDED != 0);
    Ok((Header::Wireless { padded }, rest(frame, length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(control: u8, flags: u8, header: usize, qos: u8) -> Vec<u8> {
        let mut bytes = vec![control, flags, 0, 0];
        for address in 1..=4 {
            bytes.extend_from_slice(&[address; 6]);
            if address == 3 {
                bytes.extend_from_slice(&[0; 2]);
            }
        }
        bytes.truncate(header - if control & 0x80 != 0 { 2 } else { 0 });
        if control & 0x80 != 0 {
            bytes.extend_from_slice(&[qos, 0]);
        }
        [&bytes[..], b"llc"].concat()
    }

    #[test]
    fn addresses_and_lengths_by_direction() {
        for (flags, header, macs) in
            [(0, 24, [[2; 6], [1; 6]]), (2, 24, [[3; 6], [1; 6]]), (1, 24, [[2; 6], [3; 6]]), (3, 30, [[4; 6], [3; 6]])]
        {
            assert_eq!(data(&frame(0x08, flags, header, 0), false), Ok((macs, &b"llc"[..])));
            assert_eq!(data(&frame(0x88, flags, header + 2, 0), false), Ok((macs, &b"llc"[..])));
            assert_eq!(data(&frame(0x08, flags, header, 0)[..header - 1], false), Err(Skip::ShortLinkHeader));
        }
    }

    #[test]
    fn aggregates_and_padding() {
        let bytes = [&frame(0x88, 0, 26, 0x80)[..26], &[9; 14], b"llc"].concat();
        assert_eq!(data(&bytes, false).expect("data").1, b"llc");
        let bytes = [&frame(0x88, 0, 26, 0)[..26], &[0; 2], b"llc"].concat();
        assert_eq!(data(&bytes, true).expect("data").1, b"llc");
    }

    #[test]
    fn no_data_and_encrypted_data_are_told_apart() {
        assert_eq!(data(&frame(0x80, 0, 26, 0), false), Err(Skip::NoWirelessData)); // a beacon
        assert_eq!(data(&frame(0x48, 0, 24, 0), false), Err(Skip::NoWirelessData)); // data without data
        assert_eq!(data(&frame(0x08, 0x41, 24, 0), false), Err(Skip::Encrypted));
        assert_eq!(data(&[8], false), Err(Skip::ShortLinkHeader));
    }

    #[test]
    fn radiotap_says_its_length_and_whether_the_frame_is_padded() {
        let plain = [0, 0, 8, 0, 0, 0, 0, 0, b'f'];
        assert_eq!(radiotap(&plain), Ok((Header::Wireless { padded: false }, &b"f"[..])));
        // Two words of bits, then a timer aligned to 8 bytes, then the flags.
        let mut padded = vec![0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0];
        padded.extend_from_slice(&[0; 12]);
        padded.extend_from_slice(&[0x20, b'f']);
        assert_eq!(radiotap(&padded), Ok((Header::Wireless { padded: true }, &b"f"[..])));
        assert_eq!(radiotap(&plain[..7]), Err(Skip::ShortLinkHeader));
        assert_eq!(radiotap(&[0, 0, 0xff, 0xff, 0, 0, 0, 0x80]), Err(Skip::ShortLinkHeader));
    }
}
