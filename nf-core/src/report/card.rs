//! One incident with its evidence.

use super::{strip::strip, when};
use crate::{
    detector::{Explanation, Fact},
    incident::{Incident, Listed, Sighting},
    page::{escape, table},
};
use std::fmt::{Display, Write};

/// Facts shown.
const FACTS: usize = 5;

/// A fact with more letters than this takes a row of its own.
const LONG: usize = 40;

/// Everything of an incident. `explanation` is that of its strangest session.
pub(super) fn card(incident: &Incident, explanation: &Explanation) -> String {
    let mut html = String::from("<dl>\n");
    let mut fact = |name: &str, text: String| {
        if !text.is_empty() {
            let class = if text.len() > LONG { " class=\"wide\"" } else { "" };
            let _ = writeln!(html, "<div{class}><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(&text));
        }
    };
    let opened = when::length(incident.opened.since(incident.first));
    fact("first seen", format!("{} UTC", when::date_and_time(incident.first)));
    fact("lasted", when::length(incident.last.since(incident.first)));
    fact("known after", opened);
    fact("sessions", incident.sessions.to_string());
    fact("sources", listed(&incident.sources));
    fact("destinations", listed(&incident.destinations));
    fact("services", listed(&incident.services));
    fact("domains", listed(&incident.domains));
    let heads: Vec<String> = incident.heads.iter().map(|(head, count)| format!("{head} {count}")).collect();
    fact("found by", heads.join(", "));
    html.push_str("</dl>\n");
    html += &evidence(&incident.evidence);
    let _ = write!(
        html,
        "<h3>The strangest session</h3>\n<p class=\"note\">{}</p>\n",
        escape(&incident.session.to_string())
    );
    html += &strip(&incident.session, &explanation.packets);
    if explanation.packets.iter().all(|part| *part == 0.0) {
        html.push_str("<p class=\"note\">Its packets, tall where they are long. No head reads single packets.</p>\n");
    } else {
        html.push_str("<p class=\"note\">Its packets, tall where they are long, red where the score comes from.</p>\n");
    }
    html + &facts(&explanation.facts)
}

/// What is listed, and how many more there are.
fn listed<T: Display>(listed: &Listed<T>) -> String {
    let first: Vec<String> = listed.first.iter().map(T::to_string).collect();
    let beyond = listed.count - listed.first.len();
    match (beyond, listed.more) {
        (0, _) => first.join(", "),
        (beyond, more) => format!("{} and {beyond}{} more", first.join(", "), if more { " or" } else { "" }),
    }
}

fn evidence(sightings: &[Sighting]) -> String {
    let rows = sightings.iter().map(|sighting| {
        vec![
            when::time(sighting.start),
            sighting.key.to_string(),
            sighting.packets.to_string(),
            format!("{:.2}", sighting.score),
            format!("{:.1e}", sighting.p_value),
            sighting.head.as_deref().unwrap_or_default().to_owned(),
        ]
    });
    table("Its strangest sessions", &["start", "session", "packets", "score", "p-value", "head"], &[0, 1, 5], rows)
}

pub(super) fn facts(facts: &[Fact]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let rows = facts.iter().take(FACTS).map(|fact| {
        let place = fact.packet.map_or(String::new(), |packet| format!("packet {}: ", packet + 1));
        vec![format!("{place}{}", fact.sentence), format!("{:.0} %", fact.contribution * 100.0), fact.name.clone()]
    });
    table("Why it is strange", &["", "part of the score", "fact"], &[0, 2], rows)
}
