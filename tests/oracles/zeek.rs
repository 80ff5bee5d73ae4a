//! Zeek's baselines of conn.log: connections, and the packets, bytes and flags of each end.

use super::*;
use nf_tests::data_dir;

#[test]
fn zeek_connections() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/zeek");
    let mut agreement = Agreement::default();
    let [mut packets, mut bytes, mut orig, mut flags] = [Share::default(); 4];
    let config = SessionConfig::default().max_packets(65_536).idle_tcp(Some(Duration::from_secs(300))).active(None);
    for row in table(&dir.join("ORACLE.tsv")) {
        let (sessions, stats) = sessions(&dir.join("pcap").join(&row["pcap"]), &config);
        let name = format!("{} {}", row["test"], row["pcap"]);
        let ours: Vec<_> = sessions.iter().filter_map(Seen::of).collect();
        let Some((theirs, tunnels)) = zeek_rows(&dir.join("conn_log").join(format!("{}.conn.log", row["test"]))) else {
            agreement.add(&name, ours.len(), number(&row, "conns") as usize, String::new);
            continue;
        };
        let ours: Vec<_> = ours.into_iter().filter(|session| !tunnels.contains(&session.key)).collect();
        agreement.add(&name, ours.len(), theirs.len(), || {
            format!("{:?}{}", stats.skipped.iter().collect::<Vec<_>>(), difference(&ours, &theirs))
        });
        for (ours, theirs) in pairs(&ours, &theirs) {
            let equal = ours.sides(ours.packets) == theirs.sides(theirs.packets);
            let same_bytes = ours.sides(ours.ip_bytes) == theirs.sides(theirs.ip_bytes);
            packets.add(equal);
            bytes.add(same_bytes);
            orig.add(ours.orig == theirs.orig);
            if !equal {
                println!("{name}: {:?} {:?} packets, {:?} there", ours.key, ours.packets, theirs.packets);
            } else if !same_bytes {
                println!("{name}: {:?} {:?} bytes, {:?} there", ours.key, ours.ip_bytes, theirs.ip_bytes);
            } else if ours.orig != theirs.orig {
                println!("{name}: {:?} from {:?}, {:?} there", ours.key, ours.orig, theirs.orig);
            }
            if ours.key.0 == 6 && ours.orig == theirs.orig {
                flags.add(ours.flags.map(|set| set & HISTORY) == theirs.flags);
                if ours.flags.map(|set| set & HISTORY) != theirs.flags {
                    println!("{name}: {:?} flags {:?}, {:?} there", ours.key, ours.flags, theirs.flags);
                }
            }
        }
    }
    agreement.print("Zeek");
    println!("Zeek: {packets} sessions agree on the packets of each end, {bytes} on bytes, {orig} on who began");
    println!("Zeek: {flags} TCP sessions agree on which end sent SYN, FIN and RST");
    assert!(agreement.captures.percent() >= 95.0);
}

/// UDP ports of tunnels.
const TUNNEL_PORTS: [u16; 6] = [4789, 6081, 4754, 2152, 3544, 5072];

/// FIN, SYN and RST: what the history of a connection tells of flags, whatever else it leaves out.
const HISTORY: u8 = 0x07;

/// The flags that each end sent by a history: capitals are of who opened the connection; `h` is a SYN with ACK, `i` a
/// packet with both SYN and RST, `q` with both FIN and RST or SYN and FIN.
fn flags(history: &str) -> [u8; 2] {
    let sent = |end: fn(&char) -> bool| {
        let letters = history.chars().filter(end).map(|letter| letter.to_ascii_lowercase());
        letters.fold(0, |flags, letter| match letter {
            's' | 'h' => flags | 0x02,
            'f' => flags | 0x01,
            'r' => flags | 0x04,
            _ => flags,
        })
    };
    [sent(char::is_ascii_uppercase), sent(char::is_ascii_lowercase)]
}

/// Connections, and those among them that others went through: of a packet in a tunnel, the log has the connection
/// outside as well, but does not always name it. `None` for a log in another format.
fn zeek_rows(path: &Path) -> Option<(Vec<Seen>, BTreeSet<Key>)> {
    let text = fs::read_to_string(path).expect("a log");
    let names: Vec<_> = text.lines().find_map(|line| line.strip_prefix("#fields\t"))?.split('\t').collect();
    let rows: Vec<BTreeMap<_, _>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| names.iter().copied().zip(line.split('\t')).collect())
        .collect();
    let parents: BTreeSet<_> =
        rows.iter().filter_map(|row| row.get("tunnel_parents")).flat_map(|uids| uids.split(',')).collect();
    let (mut sessions, mut tunnels) = (Vec::new(), BTreeSet::new());
    for (place, row) in rows.iter().enumerate() {
        let end = |addr: &str, port: &str| Some((row.get(addr)?.parse().ok()?, row.get(port)?.parse().ok()?));
        let mut ends: [End; 2] = [end("id.orig_h", "id.orig_p")?, end("id.resp_h", "id.resp_p")?];
        let protocol = match row["proto"] {
            "tcp" => 6,
            "udp" => 17,
            "icmp" if ends[0].0.is_ipv6() => 58,
            "icmp" => 1,
            _ => row.get("ip_proto")?.parse().ok()?,
        };
        if !matches!(protocol, 6 | 17 | 132) {
            ends.iter_mut().for_each(|end| end.1 = 0);
        }
        let key = key(protocol, ends[0], ends[1]);
        let tunnel = protocol == 17 && ends.iter().any(|end| TUNNEL_PORTS.contains(&end.1));
        if tunnel || parents.contains(row["uid"]) {
            tunnels.insert(key);
            continue;
        }
        let count = |column: &str| row.get(column).and_then(|cell| cell.parse().ok()).unwrap_or(0);
        // Baselines have their times blanked out; connections of the same ends stand in order.
        let order = Timestamp::from_nanos(place as i64);
        sessions.push(Seen {
            key,
            orig: ends[0],
            packets: ["orig_pkts", "resp_pkts"].map(count),
            wire_bytes: [0; 2],
            ip_bytes: ["orig_ip_bytes", "resp_ip_bytes"].map(count),
            start: order,
            end: order,
            flags: flags(row.get("history").copied().unwrap_or_default()),
        });
    }
    Some((sessions, tunnels))
}
