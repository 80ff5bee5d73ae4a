//! A capture to flows with CICFlowMeter's features, by the crate flowscope and the timeouts that `extract` has. Prints flows
//! and packets.

use flowscope::{
    CicFlowFeatures, EventMask, FlowEvent, FlowRecord, FlowTracker, FlowTrackerConfig, extract::FiveTuple,
    pcap::PcapFlowSource,
};
use std::{hint::black_box, time::Duration};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: flowscope-peer CAPTURE")?;
    // What happens before a flow ends is of no use here: without events for it the tracker is faster.
    let mut config = FlowTrackerConfig::default().with_event_filter(EventMask::PACKET | EventMask::TICK);
    config.idle_timeout_tcp = Duration::from_secs(120);
    config.idle_timeout_udp = Duration::from_secs(60);
    config.idle_timeout_other = Duration::from_secs(20);
    config.max_flows = 1_000_000;
    config.auto_sweep_interval = Some(Duration::from_secs(5));
    let mut tracker = FlowTracker::<FiveTuple>::with_config(FiveTuple::bidirectional(), config);
    let (mut flows, mut packets) = (0u64, 0u64);
    let mut ended = |event| {
        if let FlowEvent::Ended { key, stats, reason, .. } = event {
            let record = FlowRecord::from_parts(&stats, &key, Some(reason));
            black_box(CicFlowFeatures::from_flow_record(&record).with_iat(&stats));
            flows += 1;
        }
    };
    for view in PcapFlowSource::open(&path)?.views() {
        packets += 1;
        tracker.track(&view?).into_iter().for_each(&mut ended);
    }
    tracker.finish().into_iter().for_each(&mut ended);
    println!("{flows} {packets}");
    Ok(())
}
