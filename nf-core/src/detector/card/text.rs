//! A card as text.

use super::{Card, CardHead, Promise, Source};
use crate::detector::{RecalibrationRecord, Span};
use std::fmt;

/// A part of a card: its title, and facts with their names or sentences without.
pub(super) struct Part {
    pub(super) title: &'static str,
    pub(super) facts: Vec<(String, String)>,
}

fn fact(name: impl Into<String>, text: impl Into<String>) -> (String, String) {
    (name.into(), text.into())
}

fn percent(share: f64) -> String {
    format!("{:.3} %", share * 100.0)
}

/// `11550 sessions, 2026-01-01 08:00:00 to 2026-01-01 08:12:04 UTC`.
fn span(span: &Span) -> String {
    let Span { sessions, first, last } = span;
    format!("{sessions} sessions, begun {} to {} UTC", first.date_and_time(), last.date_and_time())
}

impl Card {
    /// All that is said, in the order in which it is.
    pub(super) fn parts(&self) -> Vec<Part> {
        let mut parts = vec![
            Part { title: "What it promises", facts: self.promise.facts() },
            Part { title: "What it was made from", facts: self.origin() },
            Part { title: "What it reads", facts: self.heads.iter().map(CardHead::fact).collect() },
        ];
        if !self.recalibrations.is_empty() {
            let facts = self.recalibrations.iter().map(recalibration).collect();
            parts.push(Part { title: "Recalibrated", facts });
        }
        let facts = self.limits.iter().map(|limit| fact("", limit)).collect();
        parts.push(Part { title: "What it is known not to see", facts });
        parts
    }

    fn origin(&self) -> Vec<(String, String)> {
        let mut facts = vec![fact("made by", format!("nf-core {}", self.version))];
        if let Some(seed) = self.seed {
            facts.push(fact("seed", seed.to_string()));
        }
        facts.push(match &self.training {
            Some(training) => fact("fitted on", span(training)),
            None => fact("fitted on", "not known: the heads are a user's own"),
        });
        if self.left_out > 0 {
            facts.push(fact("left out of fitting", format!("{} sessions, as too strange", self.left_out)));
        }
        facts.push(fact("calibrated on", span(&self.calibration)));
        facts.extend(self.sources.iter().map(Source::fact));
        let config = &self.session_config;
        facts.push(fact(
            "sessions",
            format!(
                "by {:?}, {} packets kept, context {}, looks {}",
                config.key,
                config.max_packets,
                if config.context { "on" } else { "off" },
                config.looks
            ),
        ));
        let evidence = if self.evidence { "what adds up over the sessions of two hosts" } else { "each session alone" };
        facts.push(fact("decides", evidence));
        facts.push(match self.drift {
            Some((blocks, seconds)) => fact("drift told by", format!("{blocks} benign blocks of {seconds} s")),
            None => fact("drift told by", "nothing, it was made from too little time"),
        });
        facts
    }
}

impl Promise {
    fn facts(&self) -> Vec<(String, String)> {
        let mut budget =
            format!("at most {} of benign sessions are called anomalies", percent(self.false_positive_rate));
        if let Some(alerts) = self.alerts_per_hour {
            budget += &format!(", {alerts:.1} an hour at as many sessions as were held out");
        }
        let tail = if self.tail_is_sound { "follow" } else { "do not follow" };
        let rests = format!(
            "{:.2} h held out, {:.1} sessions expected above the cut, {} of a first minute; the highest scores {tail} the fitted tail",
            self.hours, self.expected_above, self.cold_sessions
        );
        let realised = match (self.realised, self.interval) {
            (Some(share), Some([low, high])) => format!(
                "{} alert where each tenth of them is judged by the rest, 95 % {} to {}",
                percent(share),
                percent(low),
                percent(high)
            ),
            _ => "not: nine tenths of the held-out sessions are too few to promise the rate".to_owned(),
        };
        vec![fact("budget", budget), fact("rests on", rests), fact("borne out", realised)]
    }
}

impl CardHead {
    fn fact(&self) -> (String, String) {
        let of = self.packets.map_or(String::new(), |packets| format!(" of {packets} packets each"));
        let Self { model, schema, fingerprint, columns, weight, .. } = self;
        fact(
            &self.name,
            format!("{model} over {columns} columns{of} ({schema}, fingerprint {fingerprint}), weight {weight}"),
        )
    }
}

impl Source {
    fn fact(&self) -> (String, String) {
        let mut text = format!(
            "{} frames, {} bytes, {} packets used, {} sessions",
            self.frames, self.wire_bytes, self.packets, self.sessions
        );
        if !self.skipped.is_empty() {
            let reasons: Vec<String> = self.skipped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            text += &format!("; not used: {}", reasons.join(", "));
        }
        if self.lost > 0 {
            text += &format!("; {} lost for want of memory", self.lost);
        }
        fact(format!("capture {}", self.name), text)
    }
}

fn recalibration(record: &RecalibrationRecord) -> (String, String) {
    let RecalibrationRecord { reason, recent, kept, clumped, replaced, trimmed, strange_share } = record;
    let mut text = format!(
        "{}; {kept} kept; {clumped} strange ones came in clumps, for which stand {replaced} of the first calibration, {trimmed} others were left out as too strange; {} of the others strange at 1 %",
        span(recent),
        percent(*strange_share)
    );
    if !reason.is_empty() {
        text += &format!("; reason: {reason}");
    }
    fact("on", text)
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Part { title, facts }) in self.parts().into_iter().enumerate() {
            write!(f, "{}{title}", if i > 0 { "\n\n" } else { "" })?;
            for (name, text) in facts {
                // Names and reasons are a user's; one line each all the same.
                let line = if name.is_empty() { format!("* {text}") } else { format!("{name}: {text}") };
                f.write_str("\n  ")?;
                line.chars().try_for_each(|c| write!(f, "{}", if c.is_control() { ' ' } else { c }))?;
            }
        }
        Ok(())
    }
}
