//! How strange sessions were when, and the incidents above them.

use crate::{
    Timestamp,
    detector::Verdict,
    incident::Incident,
    page::{Axis, Chart},
    session::Session,
};
use std::collections::BTreeSet;

/// Highest `-log10 p` drawn.
const MOST: f64 = 8.0;
/// Sessions less strange than this are left out where they do not alert: they are nine of ten, and say nothing.
const SHOWN_FROM: f64 = 1.0;
/// Most lanes of incidents above the chart, and the share of its width that an incident's number takes.
const LANES: usize = 20;
const NUMBER: f64 = 0.03;
/// Places a second and a decade of p are told apart by.
const FINE: [f64; 2] = [4.0, 20.0];
/// Most places kept.
const PLACES: usize = 200_000;

/// How strange sessions were when, each place once.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// When it began and how strange it was, in fine places, and whether it alerted.
    places: BTreeSet<(i64, u16, bool)>,
    span: Option<(Timestamp, Timestamp)>,
    /// Sessions that are drawn nowhere for memory.
    left_out: u64,
}

impl Timeline {
    pub(super) fn add(&mut self, session: &Session, verdict: &Verdict) {
        let (start, end) = (session.start(), session.end());
        let (first, last) = self.span.unwrap_or((start, end));
        self.span = Some((first.min(start), last.max(end)));
        let strange = (-verdict.deciding_p_value().log10()).clamp(0.0, MOST);
        if strange < SHOWN_FROM && !verdict.is_anomaly() {
            return;
        }
        let place = ((start.as_secs_f64() * FINE[0]) as i64, (strange * FINE[1]) as u16, verdict.is_anomaly());
        if self.places.len() < PLACES {
            self.places.insert(place);
        } else if !self.places.contains(&place) {
            self.left_out += 1;
        }
    }

    /// From the first packet to the last.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.span
    }

    /// The chart, with the cut and the incidents.
    pub(super) fn chart(&self, budget: f64, incidents: &[&Incident]) -> String {
        let Some((first, last)) = self.span else { return String::new() };
        let since = |time: Timestamp| time.since(first).as_secs_f64();
        let highest = self.places.iter().map(|(_, strange, _)| *strange).max().unwrap_or_default();
        let high = (f64::from(highest) / FINE[1] + 0.5).ceil().clamp(4.0, MOST);
        let title = format!("start of the session, seconds from {}", first.time_of_day());
        let mut chart = Chart::new(
            1000.0,
            320.0,
            Axis::linear(0.0, since(last), 10, &title),
            Axis::linear(0.0, high, 6, "-log10 p-value"),
        )
        .with_lanes(lanes(incidents, since(last)));
        let origin = first.as_secs_f64() * FINE[0];
        let points = |alert: bool| {
            let places = self.places.iter().filter(move |(.., alerts)| *alerts == alert);
            places.map(move |(x, y, _)| ((*x as f64 - origin).max(0.0) / FINE[0], f64::from(*y) / FINE[1]))
        };
        chart.dots(points(false), "dot benign", "no alert");
        chart.dots(points(true), "dot attack", "alerts");
        chart.level(-budget.log10(), "threshold", &format!("alerts above, at {} %", budget * 100.0));
        for incident in incidents {
            let (id, title) = (format!("#{}", incident.id), incident.summary());
            chart.lane(since(incident.first), since(incident.last), "hit", &id, &title);
        }
        let mut html = chart.finish("strangeness of every session over time");
        html.push_str(
            "<p class=\"legend\"><span><i class=\"attack\"></i>session that alerts</span><span><i class=\"benign\"></i>session \
            that does not, the strangest tenth</span><span><i class=\"hit\"></i>incident</span></p>\n",
        );
        if self.left_out > 0 {
            html += &format!("<p class=\"note\">{} sessions are not drawn.</p>\n", self.left_out);
        }
        html
    }
}

/// How many lanes incidents need that overlap in time, each with room for its number.
fn lanes(incidents: &[&Incident], seconds: f64) -> usize {
    let mut free: Vec<f64> = Vec::new();
    for incident in incidents {
        let from = incident.first.as_secs_f64();
        let until = incident.last.as_secs_f64().max(from + NUMBER * seconds) + 0.005 * seconds;
        match free.iter_mut().find(|free| **free < from) {
            Some(lane) => *lane = until,
            None => free.push(until),
        }
    }
    free.len().min(LANES)
}
