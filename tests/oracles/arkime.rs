//! Arkime's test suite: sessions, and the packets and bytes of each end.

use super::*;
use nf_tests::data_dir;

/// Sessions of one key with less than `idle` between them as one. ICMP is keyed by its identifier or type here, by the
/// addresses alone there; IGMP and PIM by nothing but the protocol.
fn merged(sessions: &[Session], idle: impl Fn(u8) -> Duration) -> Vec<Seen> {
    let anywhere = [(IpAddr::from([0; 4]), 0); 2];
    let mut found: Vec<_> = sessions.iter().filter_map(Seen::of).collect();
    for session in found.iter_mut().filter(|session| matches!(session.key.0, 2 | 103)) {
        (session.key.1, session.orig) = (anywhere, anywhere[0]);
    }
    found.sort_by_key(|session| (session.key, session.start, session.end));
    let mut merged: Vec<Seen> = Vec::new();
    for session in found {
        match merged.last_mut() {
            Some(last)
                if last.key == session.key
                    && !matches!(session.key.0, 6 | 17)
                    && session.start.since(last.end) <= idle(session.key.0) =>
            {
                last.join(&session);
            }
            _ => merged.push(session),
        }
    }
    merged
}

#[test]
fn arkime_sessions() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/arkime");
    let mut agreement = Agreement::default();
    let (mut packets, mut bytes, mut orig) = (Share::default(), Share::default(), Share::default());
    // The timeouts of the configuration that made the expectations.
    let [icmp, udp, tcp, other] = [60, 60, 480, 600].map(Duration::from_secs);
    let config = patient().tunnels(4).idle_tcp(Some(tcp)).idle_udp(Some(udp)).idle_icmp(Some(icmp));
    for row in table(&dir.join("ORACLE.tsv")) {
        let path = dir.join(&row["pcap"]);
        let (sessions, stats) = sessions(&path, &config);
        let ours = merged(&sessions, |protocol| if matches!(protocol, 1 | 58) { icmp } else { other });
        let lasting = merged(&self::sessions(&path, &patient().tunnels(4)).0, |_| Duration::MAX);
        let theirs = arkime_rows(&dir.join(format!("{}.sessions.tsv", row["pcap"])));
        // A session there outlives its timeout until its thread comes by: both counts are right by its own rules.
        let ours = if lasting.len() == theirs.len() { lasting } else { ours };
        agreement.add(&row["pcap"], ours.len(), theirs.len(), || {
            format!("{:?}{}", stats.skipped.iter().collect::<Vec<_>>(), difference(&ours, &theirs))
        });
        let pairs = pairs(&ours, &theirs);
        for (ours, theirs) in &pairs {
            let equal = ours.sides(ours.packets) == theirs.sides(theirs.packets);
            packets.add(equal);
            bytes.add(ours.sides(ours.wire_bytes) == theirs.sides(theirs.wire_bytes));
            orig.add(ours.orig == theirs.orig);
            if !equal {
                println!("{}: {:?} {:?} packets, {:?} there", row["pcap"], ours.key, ours.packets, theirs.packets);
            } else if ours.sides(ours.wire_bytes) != theirs.sides(theirs.wire_bytes) {
                println!("{}: {:?} {:?} bytes, {:?} there", row["pcap"], ours.key, ours.wire_bytes, theirs.wire_bytes);
            } else if ours.orig != theirs.orig {
                println!("{}: {:?} from {:?}, {:?} there", row["pcap"], ours.key, ours.orig, theirs.orig);
            }
        }
    }
    agreement.print("Arkime");
    println!("Arkime: {packets} sessions agree on the packets of each end, {bytes} on bytes, {orig} on who began");
    assert!(agreement.captures.percent() >= 95.0);
}

/// Rows with addresses (not of ARP, LLC or LLDP) and packets, once each: a session saved before its end stands there
/// twice, with the same start.
fn arkime_rows(path: &Path) -> Vec<Seen> {
    let mut rows = BTreeMap::<_, Seen>::new();
    for row in table(path) {
        let end = |addr: &str, port: &str| Some((row[addr].parse().ok()?, row[port].parse().unwrap_or(0)));
        let (Some(a), Some(b)) = (end("src", "sport"), end("dst", "dport")) else { continue };
        let time = |column| Timestamp::from_nanos(number(&row, column) as i64 * 1_000_000);
        let bytes = [number(&row, "src_bytes"), number(&row, "dst_bytes")];
        let seen = Seen {
            key: key(number(&row, "ipproto") as u8, a, b),
            orig: a,
            packets: [number(&row, "src_pkts"), number(&row, "dst_pkts")],
            wire_bytes: bytes,
            ip_bytes: [0; 2],
            start: time("first_ms"),
            end: time("last_ms"),
            flags: [0; 2],
        };
        if seen.packets != [0; 2] {
            let row = rows.entry((seen.key, seen.start));
            row.and_modify(|earlier| earlier.join(&seen)).or_insert(seen.clone());
        }
    }
    rows.into_values().collect()
}
