//! What a detector is known not to see, by what its heads read. The measurements are in docs/detection.md.

use crate::{Detector, session::Looks};

/// Counters and evidence look back so long.
const BACK: &str = "a minute";

/// Sentences that hold for this detector.
pub(super) fn limits(detector: &Detector) -> Vec<String> {
    let reads = |name: &str| detector.schemas().any(|schema| schema.columns().iter().any(|column| column.name == name));
    let context = detector.heads.iter().any(|head| head.scorer.spec.needs_context());
    let packets = detector.heads.iter().any(|head| head.scorer.spec.steps().is_some());
    let mut limits = vec![
        "Another network: it knows the hosts' habits where it was fitted and calibrated, and nowhere else.".to_owned(),
        "What was there in training: attacks that are more than about 1 in 100 of its sessions become usual."
            .to_owned(),
        "Hours it never saw: of a network's night it knows nothing where it was made from a morning.".to_owned(),
    ];
    let mut add = |holds: bool, limit: String| {
        if holds {
            limits.push(limit);
        }
    };
    add(
        context,
        format!("Guessing and scanning slower than {BACK} a session: counters and evidence look back that far."),
    );
    add(
        context,
        "Newcomers during a flood: where hosts seen for less than 10 s would push each other out within 2 s, one seen once gets no counters.".to_owned(),
    );
    add(
        !context,
        "Scans, floods, guessing, beacons and tunnels: no head reads what hosts did around a session, and single sessions of these look usual.".to_owned(),
    );
    add(
        reads("service_gap_variation"),
        "The first sessions of a beacon: it takes four for their regularity to be one, and many more for it to be strange.".to_owned(),
    );
    add(
        context && !reads("service_gap_variation"),
        "Beacons: no head reads how regular the use of a service is.".to_owned(),
    );
    add(
        context && !reads("dns_name_length"),
        "Tunnels in DNS, but for their number of queries: no head reads the names that are asked.".to_owned(),
    );
    add(
        true,
        "What a long session does late: each look is at all of it so far, until it is cut at the active timeout."
            .to_owned(),
    );
    add(
        !packets,
        "Single packets: heads read a session as a whole, so what one packet among usual ones carries is not seen."
            .to_owned(),
    );
    match detector.evidence_config() {
        Some(config) => add(
            true,
            format!(
                "One strange session among many usual ones of the same two hosts within {} s: it counts {} of what it would alone.",
                config.span.as_secs_f64(),
                config.own
            ),
        ),
        None => add(true, "What adds up over the sessions of two hosts: each is judged by itself.".to_owned()),
    }
    add(
        detector.session_config().looks == Looks::none(),
        "Any attack before its sessions end: open ones are not looked at.".to_owned(),
    );
    add(detector.drift.is_none(), "That it has become stale: it was made from too little time to tell.".to_owned());
    limits
}
