//! nDPI's test suite, where it counts plain 5-tuples.

use super::*;
use nf_tests::data_dir;

#[test]
fn ndpi_flows() {
    let Some(data) = data_dir() else { return };
    let dir = data.join("captures/ndpi");
    let (mut agreement, mut packets) = (Agreement::default(), Share::default());
    for row in table(&dir.join("ORACLE.tsv")) {
        if row["naive_match"] != "1" {
            continue;
        }
        let name = &row["pcap"];
        let (sessions, stats) = sessions(&dir.join(name), &patient());
        let ours: Vec<_> = sessions.iter().filter_map(Seen::of).collect();
        let distinct: BTreeSet<_> = ours.iter().map(|session| session.key).collect();
        let theirs = number(&row, "ndpi_flows") as usize;
        agreement.add(name, distinct.len(), theirs, || {
            format!("({} uncoarsened, {:?})", ours.len(), stats.skipped.iter().collect::<Vec<_>>())
        });
        let total: u64 = ours.iter().flat_map(|session| session.packets).sum();
        packets.add(total == number(&row, "ndpi_packets"));
        if total != number(&row, "ndpi_packets") {
            let skipped: Vec<_> = stats.skipped.iter().collect();
            println!("{name}: {total} packets, {} there {skipped:?}", row["ndpi_packets"]);
        }
    }
    agreement.print("nDPI");
    println!("nDPI: {packets} captures agree on the number of packets in sessions");
    assert_eq!(agreement.captures.agree, agreement.captures.all);
}
