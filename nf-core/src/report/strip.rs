//! The packets of a session, one bar each: how long, which way, and how much of the score is theirs.

use crate::{
    decode::Protocol,
    page::tip,
    session::{Direction, PacketRecord, Session},
};
use std::fmt::Write;

/// Most packets drawn.
const MOST: usize = 256;
/// Pixels: width of the drawing, of its left margin, height of a half.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 52.0;
const HALF: f64 = 42.0;
/// Widest bar.
const WIDEST: f64 = 26.0;
/// Payload that fills a half, in bytes.
const LONGEST: f64 = 1500.0;
/// Steps of heat.
const HEATS: f64 = 4.0;

/// The strip. `parts` is the part of each packet in the score, 0 to 1; all 0 where no head reads packets. `told` has for each
/// packet the columns whose value it states.
pub(super) fn strip(session: &Session, parts: &[f64], told: &[Vec<&str>]) -> String {
    let packets = &session.packets()[..session.packets().len().min(MOST)];
    if packets.is_empty() {
        return String::new();
    }
    let step = ((WIDTH - LEFT - 8.0) / packets.len() as f64).min(WIDEST);
    let hottest = parts.iter().copied().fold(0.0, f64::max);
    let height = 2.0 * HALF + 26.0;
    let mut svg = format!(
        "<svg class=\"strip\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"packets of the strangest session\">\n\
        <text x=\"{x}\" y=\"{out}\" text-anchor=\"end\">out</text><text x=\"{x}\" y=\"{back}\" text-anchor=\"end\">back</text>\n\
        <path class=\"grid\" d=\"M{LEFT} {middle}H{WIDTH}\"/>\n",
        x = LEFT - 8.0,
        out = 4.0 + HALF / 2.0 + 4.0,
        back = 4.0 + HALF * 1.5 + 4.0,
        middle = 4.0 + HALF,
    );
    for (i, packet) in packets.iter().enumerate() {
        let part = parts.get(i).copied().unwrap_or_default();
        let heat = if hottest > 0.0 { format!("h{:.0}", (part / hottest * HEATS).ceil()) } else { "plain".to_owned() };
        // An empty packet is a stub; the logarithm keeps a request visible beside a full segment.
        let share = (1.0 + f64::from(packet.payload_len)).ln() / (1.0 + LONGEST).ln();
        let tall = 4.0 + (HALF - 6.0) * share.min(1.0);
        let top = if packet.direction == Direction::Orig { 4.0 + HALF - tall } else { 4.0 + HALF };
        let told = told.get(i).map_or(&[][..], Vec::as_slice);
        let outlined = if told.is_empty() { "" } else { " told" };
        let (x, width) = (LEFT + 4.0 + step * i as f64, (step - 1.0).max(0.8));
        let before = i.checked_sub(1).map(|i| packets[i].time);
        let _ = writeln!(
            svg,
            "<rect class=\"{heat}{outlined}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\">{}</rect>",
            tip(&words(i, packet, before.map_or(0.0, |before| packet.time.since(before).as_secs_f64()), part, told)),
        );
    }
    let last = LEFT + 4.0 + step * packets.len() as f64;
    let seconds = packets.last().map_or(0.0, |last| last.time.since(packets[0].time).as_secs_f64());
    let base = height - 4.0;
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{base}\">packet 1</text>");
    if packets.len() > 8 {
        let text = format!("packet {} of {}, {seconds:.3} s later", packets.len(), session.stats().packets());
        let _ = writeln!(svg, "<text x=\"{last:.1}\" y=\"{base}\" text-anchor=\"end\">{text}</text>");
    }
    svg + "</svg>\n"
}

/// A packet in words.
fn words(place: usize, packet: &PacketRecord, gap: f64, part: f64, told: &[&str]) -> String {
    let way = if packet.direction == Direction::Orig { "out" } else { "back" };
    let mut text = format!("packet {}, {gap:.6} s later, {} bytes {way}", place + 1, packet.payload_len);
    if packet.protocol == Protocol::Tcp {
        const FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
        for (_, name) in FLAGS.iter().enumerate().filter(|(bit, _)| packet.control >> bit & 1 == 1) {
            text += &format!(" {name}");
        }
    }
    if part > 0.0 {
        text += &format!(", {:.0} % of the score", part * 100.0);
    }
    if !told.is_empty() {
        text += &format!("; states {}", told.join(", "));
    }
    text
}
