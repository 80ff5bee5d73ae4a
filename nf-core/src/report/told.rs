//! Which packets state a value of the whole session.

use crate::{
    decode::{Protocol, TcpFlags},
    detector::{Cell, Explanation},
    session::{Direction, Order, PacketRecord, Session},
};

/// For each packet that a session kept, the named columns whose strange value it states by itself: the longest silence, the
/// largest payload, a flag that is counted. Of most columns no single packet can be told.
pub(super) fn told<'a>(session: &Session, explanation: &'a Explanation) -> Vec<Vec<&'a str>> {
    let mut told = vec![Vec::new(); session.packets().len()];
    let own = |carrier: usize| {
        let carrier = &explanation.carriers[carrier];
        (carrier.key(), carrier.start()) == (session.key(), session.start())
    };
    let facts = explanation.facts.iter().filter(|fact| fact.packet.is_none() && own(fact.carrier));
    // What there is too little of is stated by no packet.
    for cell in facts.flat_map(|fact| &fact.cells).filter(|cell| cell.observed > cell.expected) {
        for (place, columns) in told.iter_mut().enumerate() {
            if states(cell, session.packets(), place) {
                columns.push(cell.column.as_str());
            }
        }
    }
    told
}

/// Whether a packet states the value of a column.
fn states(cell: &Cell, packets: &[PacketRecord], place: usize) -> bool {
    let packet = &packets[place];
    let sent = |direction| packet.direction == direction;
    let flag = |flag: TcpFlags| packet.protocol == Protocol::Tcp && packet.control & flag.0 != 0;
    // The value went through the scale of its column: it is met to a millionth.
    let is = |value: f64| (value - cell.observed).abs() <= 1e-6 + 1e-4 * cell.observed.abs();
    let payload = || is(f64::from(packet.payload_len));
    match cell.column.as_str() {
        "gap_max" => place > 0 && is(packet.time.since(packets[place - 1].time).as_secs_f64()),
        "orig_payload_max" => sent(Direction::Orig) && payload(),
        "resp_payload_max" => sent(Direction::Resp) && payload(),
        "syn" => flag(TcpFlags::SYN),
        "fin" => flag(TcpFlags::FIN),
        "urgent" => flag(TcpFlags::URG),
        "orig_rst" => sent(Direction::Orig) && flag(TcpFlags::RST),
        "resp_rst" => sent(Direction::Resp) && flag(TcpFlags::RST),
        "retransmissions" => packet.order == Order::Retransmission,
        "disorder" => matches!(packet.order, Order::OutOfOrder | Order::Gap),
        "fragments" => packet.order == Order::Fragment,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Detector,
        detector::testing::{cut, frames, frames_with_a_silence},
    };

    #[test]
    fn the_packet_behind_the_longest_silence_states_it() {
        let benign = cut(&frames(1200, 1));
        let detector = Detector::recipe().heads(&["forest"]).unwrap().seed(3).fit(&benign).unwrap();
        let sessions = cut(&frames_with_a_silence(50, 6));
        let session = sessions.iter().find(|session| session.duration().as_secs() >= 60).unwrap();
        let mut explanation = detector.explain(session).unwrap();
        let cell = |column: &str, observed: f64, expected: f64| {
            let mut cell = explanation.facts[0].cells[0].clone();
            (cell.column, cell.observed, cell.expected) = (column.to_owned(), observed, expected);
            cell
        };
        let longest = session.stats().gaps.max();
        let cells = vec![
            cell("gap_max", f64::from(longest as f32), 0.1),
            cell("syn", 2.0, 1.0),
            cell("resp_rst", 0.0, 1.0),
            cell("duration", 60.0, 1.0),
        ];
        explanation.facts.truncate(1);
        explanation.facts[0].cells = cells;
        let told = told(session, &explanation);
        let of =
            |column: &str| -> Vec<usize> { (0..told.len()).filter(|&packet| told[packet].contains(&column)).collect() };
        let silent = session.packets().windows(2).position(|w| w[1].time.since(w[0].time).as_secs() >= 59).unwrap();
        assert_eq!((of("gap_max"), of("resp_rst"), of("duration")), (vec![silent + 1], vec![], vec![]));
        let syn = |packet: &PacketRecord| packet.protocol == Protocol::Tcp && packet.control & TcpFlags::SYN.0 != 0;
        assert_eq!(of("syn").len(), session.packets().iter().filter(|packet| syn(packet)).count());
        // Of another session of those that carry the alert nothing is known here.
        let other = sessions.iter().find(|other| other.start() != session.start()).unwrap();
        assert!(super::told(other, &explanation).iter().all(Vec::is_empty));
    }
}
