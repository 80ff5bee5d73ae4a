//! What was read, and what it took.

use super::resources::Start;
use crate::peak_rss;
use nf_core::session::TableStats;
use serde_json::json;
use std::{fmt, time::Duration};

/// What was read, what became of it, and what it took.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Packets in the captures; those in no session are in `skipped`.
    pub packets: u64,
    /// Bytes of these packets on the wire.
    pub bytes: u64,
    /// Sessions, each of them in the table.
    pub sessions: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Packets that are in no session, by reason.
    pub skipped: Vec<(String, u64)>,
    /// Sessions ended early because memory was at its limit.
    pub evicted: u64,
    /// Context counters dropped, or not made, for want of memory: columns of context that read 0 instead.
    pub context_evicted: u64,
    /// Processor time of all threads, where the system tells.
    pub cpu: Option<Duration>,
    /// Time that passed.
    pub wall: Duration,
    /// Most memory held at once, in bytes, where the system tells.
    pub peak_rss: Option<u64>,
}

impl Summary {
    pub(super) fn note(&mut self, stats: &TableStats, start: &Start) {
        self.packets = stats.frames;
        self.bytes = stats.wire_bytes;
        self.skipped = stats.skipped.iter().map(|(skip, count)| (skip.to_string(), count)).collect();
        (self.evicted, self.context_evicted) = (stats.evicted, stats.context_evicted);
        (self.cpu, self.wall, self.peak_rss) = (start.cpu(), start.wall(), peak_rss());
    }

    /// Packets a second of time that passed.
    pub fn packets_per_second(&self) -> f64 {
        self.packets as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// The summary as JSON, with what went wrong if anything did. Times are in seconds, sizes in bytes.
    pub fn to_json(&self, error: Option<&str>) -> String {
        let skipped: serde_json::Map<_, _> =
            self.skipped.iter().map(|(reason, count)| (reason.clone(), json!(count))).collect();
        let summary = json!({
            "packets": self.packets,
            "bytes": self.bytes,
            "sessions": self.sessions,
            "rows": self.rows,
            "skipped": skipped,
            "evicted": self.evicted,
            "context_evicted": self.context_evicted,
            "cpu_seconds": self.cpu.map(|cpu| cpu.as_secs_f64()),
            "wall_seconds": self.wall.as_secs_f64(),
            "packets_per_second": self.packets_per_second(),
            "peak_rss_bytes": self.peak_rss,
            "error": error,
        });
        format!("{summary:#}")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packets, bytes) = (self.packets, self.bytes);
        writeln!(f, "{packets} packets, {bytes} bytes, {} sessions, {} rows", self.sessions, self.rows)?;
        for (reason, count) in &self.skipped {
            writeln!(f, "{count} packets skipped: {reason}")?;
        }
        if self.evicted > 0 {
            writeln!(f, "{} sessions ended early: memory was at its limit", self.evicted)?;
        }
        if self.context_evicted > 0 {
            writeln!(f, "{} counters of context dropped: memory was at its limit", self.context_evicted)?;
        }
        if let Some(cpu) = self.cpu {
            write!(f, "{:.3} s of CPU, ", cpu.as_secs_f64())?;
        }
        write!(f, "{:.3} s, {:.0} packets/s", self.wall.as_secs_f64(), self.packets_per_second())?;
        if let Some(peak) = self.peak_rss {
            write!(f, ", {:.1} MB at most", peak as f64 / 1e6)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_it_all_in_text_and_in_json() {
        let summary = Summary {
            packets: 30,
            bytes: 4000,
            sessions: 3,
            rows: 5,
            skipped: vec![("llc".to_owned(), 2)],
            evicted: 1,
            context_evicted: 2,
            cpu: Some(Duration::from_millis(1500)),
            wall: Duration::from_secs(2),
            peak_rss: Some(20_500_000),
        };
        assert_eq!(
            summary.to_string(),
            "30 packets, 4000 bytes, 3 sessions, 5 rows\n2 packets skipped: llc\n\
            1 sessions ended early: memory was at its limit\n\
            2 counters of context dropped: memory was at its limit\n1.500 s of CPU, 2.000 s, 15 packets/s, 20.5 MB at most"
        );
        let json: serde_json::Value = serde_json::from_str(&summary.to_json(Some("cut off"))).expect("JSON");
        assert_eq!(
            (&json["packets"], &json["skipped"]["llc"], &json["error"]),
            (&json!(30), &json!(2), &json!("cut off"))
        );
        assert_eq!((&json["cpu_seconds"], &json["packets_per_second"]), (&json!(1.5), &json!(15.0)));
    }
}
